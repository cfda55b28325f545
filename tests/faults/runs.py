"""Runs rows of the fault model in the worlds that they need, and judges each."""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.invariants import broken_always, broken_at_rest, broken_at_the_end
from tests.faults.schedules import Row
from tests.faults.worlds import World, running_world
from tests.processes.deliveries import sender_to
from tests.queue.rooms import reachable

INVOICES = {"postgres": 40, "redis": 8, "rabbitmq": 8}
"""How many the rows of one round use up, with some to spare."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one row did, and what it broke."""

    row: Row
    seed: int
    seen: str
    healed_after: float
    took: float
    broken: tuple[str, ...]


async def judged(row: Row, world: World, seed: int) -> Verdict:
    """Run one row and ask everything."""
    async with sender_to(world.product.webhook_url) as world.sender:
        return await _judged(row, world, seed)


async def _judged(row: Row, world: World, seed: int) -> Verdict:
    began = time.monotonic()
    seen, healed_after, broken = "", 0.0, []
    try:
        seen = await row.run(world, random.Random(f"{row.name}{row.broker}{seed}"))  # noqa: S311 - repeatable
        broken += await broken_always(world)
        healed_after = await world.rest()
        if healed_after > row.heals_within:
            broken.append(f"healed after {healed_after:.0f} s, not {row.heals_within:.0f}")
        if not row.last:
            broken += await broken_at_rest(world)
    except (AssertionError, ExceptionGroup) as error:
        reference = re.search(r"reference (\w+)", str(error))
        broken.append(f"{error}")
        broken += [world.log_around(reference[1])] if reference else []
    finally:
        world.heal()
        world.slowest_answer = 0.0
    return Verdict(row, seed, seen, healed_after, time.monotonic() - began, tuple(dict.fromkeys(broken)))


def run_rows(rows: Iterable[Row], *, seed: int) -> Iterator[Verdict]:
    """Each row once, world by world. A world that broke is left for a new one."""
    waiting = list(rows)
    for broker in ("postgres", "redis", "rabbitmq"):
        mine = [row for row in waiting if row.broker == broker]
        if mine and not reachable(broker):
            raise SystemExit(f"{broker} does not answer on this machine, and {len(mine)} rows need it.")
        while mine:
            for verdict in _in_one_world(mine, broker, seed):
                mine.remove(verdict.row)
                yield verdict


def _in_one_world(rows: list[Row], broker: str, seed: int) -> Iterator[Verdict]:
    with (
        tempfile.TemporaryDirectory(prefix="portal-faults-") as folder,
        running_world(Path(folder), invoices=INVOICES[broker], broker=broker) as world,
        asyncio.Runner() as runner,
    ):
        for row in list(rows):
            verdict = runner.run(judged(row, world, seed))
            if row is rows[-1]:
                verdict = runner.run(_with_the_end(verdict, world))
            yield verdict
            if verdict.broken:
                break


async def _with_the_end(verdict: Verdict, world: World) -> Verdict:
    broken = (*verdict.broken, *await broken_at_the_end(world))
    return Verdict(verdict.row, verdict.seed, verdict.seen, verdict.healed_after, verdict.took, broken)
