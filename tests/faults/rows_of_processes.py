"""Web and worker processes die: F1 to F4, F32."""

from __future__ import annotations

import asyncio
import contextlib
import random

import httpx
import psutil

from portal.failpoints import Failpoint
from tests.faults.schedules import row, soon
from tests.faults.worlds import PLAIN, World
from tests.processes.deliveries import unknown_event

EVENT_PLACES = (
    Failpoint.EVENT_CLAIMED,
    Failpoint.EVENT_READ,
    Failpoint.EVENT_APPLIED,
    Failpoint.EVENT_FINISHED,
)
TASK_PLACES = (
    Failpoint.TASK_CLAIMED,
    Failpoint.TASK_ANSWERED,
    Failpoint.TASK_APPLIED,
    Failpoint.TASK_FINISHED,
)
REACHED_SECONDS = 60.0
LOAD = 40


async def _die_at_intake(world: World, place: Failpoint) -> str:
    """A web process dies of a payment's delivery; Stripe tries again."""
    (invoice_id,) = world.take(1)
    world.arm(place)
    await world.pay(invoice_id)
    await world.kill_at(place, within=REACHED_SECONDS)
    world.healed()
    return "1 web process"


@row("F1", "web dies after the commit, before the broker is rung", broker="redis")
async def before_ringing(world: World, _dice: random.Random) -> str:
    """The sender gives up at once, so that only the sweeper can make up for the ring."""
    world.deliver_with(retry_seconds=[])
    try:
        return await _die_at_intake(world, Failpoint.INTAKE_STORED)
    finally:
        world.deliver_with(**PLAIN)


@row("F2", "web dies before the commit")
async def before_commit(world: World, _dice: random.Random) -> str:
    """Nothing is stored and nothing answered."""
    return await _die_at_intake(world, Failpoint.INTAKE_PROVED)


@row("F3", "web dies after the commit, before the answer", quick=True)
async def before_answer(world: World, _dice: random.Random) -> str:
    """The next delivery is a duplicate."""
    return await _die_at_intake(world, Failpoint.INTAKE_STORED)


@row("F4", "a worker dies at each place of its work", heals_within=120.0)
async def at_each_place(world: World, dice: random.Random) -> str:
    """One object for each place, in an order of the dice; the leases of all run out together."""
    for place in dice.sample(EVENT_PLACES, len(EVENT_PLACES)):
        (invoice_id,) = world.take(1)
        world.arm(place)
        await world.pay(invoice_id)
        await world.kill_at(place, within=REACHED_SECONDS)
    for place in dice.sample(TASK_PLACES, len(TASK_PLACES)):
        world.arm(place)
        await asyncio.to_thread(world.chore, "order", "1")
        await world.kill_at(place, within=REACHED_SECONDS)
    world.healed()
    return f"{len(EVENT_PLACES) + len(TASK_PLACES)} workers"


@row("F32", "SIGTERM to every process in turn under load")
async def rolling_restart(world: World, _dice: random.Random) -> str:
    """A client that tries again notices nothing, and what was begun is ended."""
    invoice_ids = world.take(4)
    refused = 0

    async def load() -> None:
        nonlocal refused
        for _ in range(LOAD):
            event = unknown_event()
            while await world.send(event) != 200:
                refused += 1
                await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(load())
        for invoice_id in invoice_ids:
            await world.pay(invoice_id)
        for process in [*world.product.web_processes, *_masters(world)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
            await soon(lambda: _serves(world), what="the portal answers again")
    world.healed()
    return f"{3 * LOAD} deliveries, {refused} tried again"


def _masters(world: World) -> list[psutil.Process]:
    """Dramatiq's own first process: it stops its workers and ends, and is started again."""
    children = psutil.Process(world.product.portal.process.pid).children()
    return [child for child in children if "portal.worker" in child.cmdline()]


async def _serves(world: World) -> bool:
    with contextlib.suppress(httpx.TransportError):
        answer = await world.sender.http.get(f"{world.product.portal.url}/ready", timeout=5)
        return answer.is_success and len(world.product.worker_processes) == 2
    return False
