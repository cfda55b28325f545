"""All processes together stay under what the provider takes, and nobody waits in vain."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal.database.transaction import connection, transaction
from portal.settings import Settings
from portal.sync import budgets
from portal.sync.budgets import BudgetSpent, background_calls, note_slow_down, take_call
from portal.sync.counts import counts_since, flush_counts, forget_counts
from tests.builders import connect_account

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 2.0


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    forget_counts()
    budgets.forget_tills()  # what an earlier test holds is of another database
    yield
    forget_counts()


def _start(account_id: int, limit: float, kind: str, data_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sync.takers", str(account_id), str(limit), str(SECONDS), kind],
        cwd=ROOT,
        env={**os.environ, "PORTAL_DATA_DIR": str(data_dir)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _together(takers: list[subprocess.Popen[str]]) -> list[list[float]]:
    """Let all begin at the same moment; when each of them got its calls."""
    for taker in takers:
        assert taker.stdout is not None
        assert taker.stdout.readline() == "ready\n"
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.write("go\n")
        taker.stdin.flush()
    found = []
    for taker in takers:
        out, _ = taker.communicate(timeout=30)
        found.append(sorted(float(word) for word in out.split()))
    return found


def _busiest_second(moments: list[float]) -> int:
    moments = sorted(moments)
    return max(sum(1 for other in moments[i:] if other < at + 1) for i, at in enumerate(moments))


async def test_processes_share_the_limit_and_background_work_gives_way(
    database: None, settings: Settings
) -> None:
    account = await connect_account()
    limit = 50.0
    kinds = ("people", "people", "background")
    takers = [_start(account.id, limit, kind, settings.data_dir) for kind in kinds]
    first, second, background = await asyncio.to_thread(_together, takers)
    together = [*first, *second, *background]
    assert _busiest_second(together) <= limit
    assert min(len(first), len(second)) * 3 > max(len(first), len(second))
    assert len(background) < min(len(first), len(second))


async def test_those_who_ask_at_the_same_moment_get_different_calls(database: None) -> None:
    account = await connect_account()
    await take_call(account.id, 1 / budgets.SHARE)
    async with transaction() as tx:
        await tx.connection.execute("SELECT FROM call_budget WHERE account = $1 FOR UPDATE", account.id)
        asked = [
            asyncio.create_task(budgets.lease_calls(account.id, 1.0, 1, patient=False)) for _ in range(7)
        ]
        for _ in range(1000):
            waiting = await tx.connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if waiting >= len(asked):
                break
            await asyncio.sleep(0.01)
    leases = await asyncio.gather(*asked)
    waits = sorted(lease.wait for lease in leases)
    assert all(later - earlier > 0.5 for earlier, later in itertools.pairwise(waits)), waits


async def test_background_work_leaves_a_part_of_the_bucket_to_people(database: None) -> None:
    account = await connect_account()
    await take_call(account.id, 50)
    await _refill(account.id)
    with background_calls():
        await asyncio.gather(*(take_call(account.id, 50) for _ in range(8)))
    async with connection() as held:
        left = await held.fetchval("SELECT tokens FROM call_budget WHERE account = $1", account.id)
    assert left >= 50 * budgets.SHARE * budgets.CAPACITY_SECONDS * budgets.RESERVE - 0.01


async def test_a_refusal_stops_everybody_for_as_long_as_the_provider_asks(database: None) -> None:
    account = await connect_account()
    await take_call(account.id, 50)
    await note_slow_down(account.id, 60)
    await note_slow_down(account.id, 60)  # of a call that was under way at the same time
    with pytest.raises(BudgetSpent) as refused:
        await take_call(account.id, 50)
    assert 50 < (refused.value.retry_after or 0) < 100
    async with connection() as held:
        rate = await held.fetchval("SELECT per_second FROM call_budget WHERE account = $1", account.id)
    assert rate == pytest.approx(20, rel=0.05)


@pytest.mark.parametrize("asked", [86_400.0, float("inf")])
async def test_no_refusal_and_no_clock_stops_everybody_for_long(database: None, asked: float) -> None:
    account = await connect_account()
    await take_call(account.id, 50)
    await note_slow_down(account.id, asked)
    with pytest.raises(BudgetSpent) as refused:
        await take_call(account.id, 50)
    longest = budgets.LONGEST_PAUSE_SECONDS + 1  # the pause, and the place in the line behind it
    assert (refused.value.retry_after or 0) <= longest * 1.5
    async with connection() as held:
        await held.execute("UPDATE call_budget SET filled_at = now() + interval '1 hour'")  # it was put back
    await take_call(account.id, 50)
    await take_call(account.id, 50)


async def test_calls_waits_and_refusals_are_counted_by_the_hour(database: None) -> None:
    account = await connect_account()
    for _ in range(3):
        await take_call(account.id, 50)
    await note_slow_down(account.id, 0.01)
    await flush_counts()
    counted = {entry.what: entry.happened for entry in await counts_since(account.id, datetime.now(UTC))}
    assert (counted["call"], counted["call_refused"]) == (3, 1)


async def test_no_call_is_waited_for_while_a_transaction_is_open(database: None) -> None:
    account = await connect_account()
    async with connection() as held, held.transaction():
        with pytest.raises(RuntimeError, match="transaction"):
            await take_call(account.id, 50)


async def _refill(account_id: int) -> None:
    async with connection() as held:
        await held.execute("UPDATE call_budget SET tokens = 100 WHERE account = $1", account_id)


async def test_a_refusal_counts_though_nothing_was_noted_of_the_account_before(database: None) -> None:
    account = await connect_account()
    await note_slow_down(account.id, 60)
    with pytest.raises(BudgetSpent) as spent:
        await take_call(account.id, 100)
    assert (spent.value.retry_after or 0) > 40
