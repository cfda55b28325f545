"""Stripe says no, says nothing, or did it and the answer was lost: F11, F12, F20; and the race of F19."""

from __future__ import annotations

import asyncio
import random

from tests.faults.proxies import Line
from tests.faults.schedules import row
from tests.faults.worlds import World

STATUSES = (429, 500, 502, 503)
READ, WRITES = (
    "GET /v1/invoices/*",
    ("POST /v1/invoices", "POST /v1/customers", "POST /v1/invoices/*/finalize"),
)
HEALS = 180.0
"""The outbox's own delays grow while it is refused."""


@row("F11", "Stripe answers 429, 500, 502, 503 to reads and writes", heals_within=HEALS)
async def refusals(world: World, dice: random.Random) -> str:
    """Some of everything fails for a while; nothing is made twice."""
    rules = [
        {"match": match, "status": dice.choice(STATUSES), "times": 2, "headers": {"Retry-After": "1"}}
        for match in (READ, *WRITES)
    ]
    world.stripe.control("POST", "/faults", {"faults": rules})
    for invoice_id in world.take(3):
        await world.pay(invoice_id)
    await asyncio.to_thread(world.chore, "order", "3")
    world.healed()
    return ", ".join(f"{rule['status']}" for rule in rules)


@row("F12", "Stripe did it, and the answer never came", heals_within=HEALS)
async def lost_answers(world: World, dice: random.Random) -> str:
    """By Stripe, which drops the connection after the act, and by the line, after so many bytes."""
    rules = [{"match": match, "drop": "after", "times": 2} for match in WRITES]
    world.stripe.control("POST", "/faults", {"faults": rules})
    with world.sandbox.being(Line.RESET, after=dice.randrange(0, 1_500)):
        await asyncio.to_thread(world.chore, "order", "2")
        await asyncio.sleep(1.0)
    with world.sandbox.being(Line.HALF):
        await asyncio.to_thread(world.chore, "order", "1")
        await asyncio.sleep(0.5)
    world.healed()
    return "6 answers dropped, a line reset and half closed"


@row("F19", "an old reading is late, and a newer one overtakes it", quick=True)
async def overtaken(world: World, _dice: random.Random) -> str:
    """The answer to the first read is under way, with the invoice still open in it, when it is paid."""
    (invoice_id,) = world.take(1)
    external_id = await world.product.value("SELECT external_id FROM invoice WHERE id = $1", invoice_id)
    with world.sandbox.being(Line.LATE, seconds=0.8):
        world.stripe.control("POST", "/emit", {"object": external_id, "type": "invoice.updated"})
        await asyncio.sleep(1.3)
        await world.pay(invoice_id)
        await asyncio.sleep(1.0)
    world.healed()
    return "one invoice"


@row("F20", "twenty rings at once for each invoice that Stripe is to get", heals_within=HEALS, quick=True)
async def made_twice(world: World, _dice: random.Random) -> str:
    """Two processes with eight threads each do what must be done once."""
    rule = {"match": "POST /v1/invoices", "delay_ms": 300, "times": 4}
    world.stripe.control("POST", "/faults", rule)
    await asyncio.to_thread(world.chore, "order", "3")
    world.healed()
    return "3 invoices, 60 rings"
