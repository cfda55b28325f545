"""A process of its own that takes calls from a budget as fast as it may and says when it got each of them."""

from __future__ import annotations

import asyncio
import sys
import time

from portal.database.engine import close_pool, open_pool
from portal.sync.budgets import BudgetSpent, background_calls, take_call


async def _take(account_id: int, per_second: float, until: float) -> list[float]:
    taken = []
    while time.monotonic() < until:
        try:
            await take_call(account_id, per_second)
        except BudgetSpent:
            break
        taken.append(time.monotonic())
    return taken


async def main(account_id: int, per_second: float, seconds: float, kind: str) -> None:
    """Ask with ten tasks at once, in the foreground or the background."""
    await open_pool(name="portal-tests-taker", max_size=3)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    until = time.monotonic() + seconds
    if kind == "background":
        with background_calls():
            found = await asyncio.gather(*(_take(account_id, per_second, until) for _ in range(10)))
    else:
        found = await asyncio.gather(*(_take(account_id, per_second, until) for _ in range(10)))
    sys.stdout.write(" ".join(f"{at:.4f}" for taken in found for at in taken if at < until))
    await close_pool()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
