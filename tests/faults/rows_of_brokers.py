"""A broker that is not PostgreSQL is frozen, stopped, emptied, or says everything twice: F5 to F7."""

from __future__ import annotations

import asyncio
import random

from tests.faults.proxies import Line, Proxy
from tests.faults.schedules import row
from tests.faults.worlds import World
from tests.processes.deliveries import unknown_event

DELIVERIES = 30


async def _deliver_meanwhile(world: World, number: int) -> None:
    """Payments and other events come in; each is accepted within the promised time."""
    for invoice_id in world.take(number):
        await world.pay(invoice_id)
    statuses = await asyncio.gather(*(world.send(unknown_event()) for _ in range(DELIVERIES)))
    assert set(statuses) == {200}, f"answers {sorted(set(statuses))}"


def _line(world: World) -> Proxy:
    assert world.broker is not None
    return world.broker


async def away(world: World, _dice: random.Random) -> str:
    """Frozen, then gone."""
    with _line(world).being(Line.SILENT):
        await _deliver_meanwhile(world, 1)
    with _line(world).being(Line.REFUSED):
        await _deliver_meanwhile(world, 1)
    world.healed()
    return f"{2 * DELIVERIES} accepted, the slowest in {world.slowest_answer:.1f} s"


async def emptied(world: World, _dice: random.Random) -> str:
    """Workers stand still, so that messages gather; all but what they were handed before are lost."""
    with world.standing_workers():
        await _deliver_meanwhile(world, 1)
        await _deliver_meanwhile(world, 1)
        await world.empty_broker()
    world.healed()
    return f"{2 * DELIVERIES} events and 2 payments"


async def repeated(world: World, _dice: random.Random) -> str:
    """Messages come again, four times each, for events that are long done."""
    (invoice_id,) = world.take(1)
    await world.pay(invoice_id)
    await world.rest()
    done = await world.product.rows("SELECT id FROM webhook_event ORDER BY received_at DESC LIMIT 25")
    await world.ring_again([each[0] for each in done], times=4)
    world.healed()
    return f"{4 * len(done)} messages"


for _broker in ("redis", "rabbitmq"):
    row("F5", f"{_broker} is frozen, then stopped, while deliveries come in", broker=_broker)(away)
    row("F6", f"{_broker} loses every message", broker=_broker)(emptied)
    row("F7", f"{_broker} delivers everything again", broker=_broker)(repeated)
row("F7", "the queue in PostgreSQL delivers everything again")(repeated)
