"""Deliveries that are doubled, shuffled, late, wrongly stamped, poisonous or huge: F15 to F23, F29."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import uuid
from typing import Any
from urllib.parse import urlsplit

import psutil

from portal.webhooks.controllers import MOST_BYTES
from tests.faults.schedules import row, soon
from tests.faults.worlds import PLAIN, World
from tests.processes.deliveries import unknown_event
from tests.processes.products import PAID_ONCE, UNPAID

LOOK_NOW = "UPDATE event_walk SET ran_at = now() - interval '6 minutes' RETURNING id"
LOOKED = "SELECT walked_to > $1 FROM event_walk"
FOUND = "SELECT count(*) FROM webhook_event WHERE origin = 'list'"
MEGABYTE = 1_048_576


@row("F15", "deliveries are doubled, shuffled, held back and sent again", quick=True)
async def disorder(world: World, dice: random.Random) -> str:
    """All events of four payments come late, three times each, in any order."""
    world.deliver_with(hold=True, duplicate=3, shuffle=True, seed=dice.randrange(1_000))
    for invoice_id in world.take(4):
        await world.pay(invoice_id)
    world.deliver_with(hold=False)
    await world.rest()
    world.deliver_with(**PLAIN)
    for event in [delivery["event"] for delivery in await world.delivered()][:20]:
        world.stripe.control("POST", f"/events/{event}/resend")
    world.healed()
    return "3 deliveries each, 20 events again"


@row("F15", "deliveries that are never sent")
async def never_sent(world: World, _dice: random.Random) -> str:
    """Found in Stripe's own list of events. The wait until the next look at it is cut short, nothing else."""
    invoice_ids = world.take(3)
    world.deliver_with(drop_probability=1.0, retry_seconds=[])
    for invoice_id in invoice_ids:
        await world.pay(invoice_id)
    await world.rest()
    world.deliver_with(**PLAIN)
    assert (await world.product.ledger_of(invoice_ids)) == [UNPAID] * 3, "a delivery came after all"
    await soon(lambda: world.product.value(LOOK_NOW), what="a walk is planned", seconds=40)
    world.healed()
    now = await world.product.value("SELECT now()")
    await soon(lambda: world.product.value(LOOKED, now), what="the walk ends", seconds=60)
    await world.rest()
    assert await world.product.ledger_of(invoice_ids) == [PAID_ONCE] * 3
    return f"{await world.product.value(FOUND)} events found in the list"


@row("F17", "the clock that stamps deliveries is ten minutes wrong")
async def skewed(world: World, _dice: random.Random) -> str:
    """Refused in both directions, with no row left; right again, everything is taken."""
    for seconds in (600, -600):
        (invoice_id,) = world.take(1)
        world.deliver_with(skew_seconds=seconds)
        before = len(await world.delivered())
        await world.pay(invoice_id)
        await asyncio.sleep(1.0)
        assert len(await world.delivered()) == before, "a delivery with a wrong time was taken"
        world.deliver_with(skew_seconds=0)
    world.healed()
    refused = "SELECT coalesce(sum(refused), 0)::int FROM delivery_refusal WHERE reason <> 'signature'"
    await soon(lambda: world.product.value(refused), what="the refusals are counted")
    return f"{await world.product.value(refused)} refused for their time"


@row("F18", "two workers meet at one invoice", quick=True)
async def met(world: World, _dice: random.Random) -> str:
    """Its four events come at once, each message six times."""
    invoice_ids = world.take(2)
    world.product.slow_reads(delay_ms=200, times=4)
    for invoice_id in invoice_ids:
        await world.pay(invoice_id)
    await soon(lambda: world.product.value("SELECT count(*) FROM webhook_event"), what="an event")
    latest = await world.product.rows("SELECT id FROM webhook_event ORDER BY received_at DESC LIMIT 8")
    await world.ring_again([each[0] for each in latest], times=6)
    world.healed()
    return f"{len(latest)} events"


@row("F22", "events that nobody can make sense of", quick=True)
async def poison(world: World, dice: random.Random) -> str:
    """Each is stored and set aside; a payment among them is applied, by the same processes as before."""
    before = {process.pid for process in world.product.worker_processes}
    events = [_poison(kind, body) for kind, body in _corpus()]
    dice.shuffle(events)
    (invoice_id,) = world.take(1)
    statuses = {await world.send(event) for event in events[:4]}
    await world.pay(invoice_id)
    statuses |= {await world.send(event) for event in events[4:]}
    world.healed()
    assert statuses <= {200, 400}, statuses
    await world.rest()
    assert before == {process.pid for process in world.product.worker_processes}, "a worker died of it"
    aside = await world.product.rows(
        "SELECT state, count(*) FROM webhook_event WHERE external_id LIKE 'evt_poison%' GROUP BY 1"
    )
    return ", ".join(f"{number} {state}" for state, number in aside)


def _corpus() -> list[tuple[str, dict[str, Any]]]:
    deep: dict[str, Any] = {"id": "in_deep", "object": "invoice"}
    for _ in range(200):
        deep = {"id": "in_deep", "object": "invoice", "lines": deep}
    return [
        ("workestra.something_new", {"id": "new_1", "object": "something_new"}),
        ("invoice.paid", {"id": "in_of_nobody", "object": "invoice"}),
        ("invoice.paid", {"object": "invoice"}),
        ("invoice.paid", {"id": "in_" + "9" * 400, "object": "invoice"}),
        ("invoice.paid", {"id": "in_huge", "object": "invoice", "amount_paid": 10**400}),
        ("charge.refunded", {"id": "ch_of_nobody", "object": "charge", "invoice": None}),
        ("payment_intent.succeeded", {"id": "pi_of_nobody", "object": "payment_intent", "amount": -1}),
        ("customer.subscription.updated", {"id": "sub_of_nobody", "object": "subscription"}),
        ("invoice.updated", deep),
        ("invoice.updated'; DROP TABLE payment; --", {"id": "in_'; --", "object": "invoice"}),
    ]


def _poison(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return unknown_event() | {"id": f"evt_poison{uuid.uuid4().hex}", "type": kind, "data": {"object": body}}


@row("F23", "bodies that are too large, or never end")
async def too_large(world: World, _dice: random.Random) -> str:
    """Refused or cut within ten seconds, and not kept in memory."""
    before = _memory(world)
    over = b"Content-Length: %d\r\n\r\n" % (MOST_BYTES + 1) + b"x" * (MOST_BYTES + 1)
    endless = b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 400
    declared = b"Content-Length: 1073741824\r\n\r\nabc"
    zipped = b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + b"\x1f\x8b" + b"\0" * 18
    ends = [await asyncio.to_thread(_end_of, world, body) for body in (over, endless, declared, zipped)]
    grown = (_memory(world) - before) / MEGABYTE
    world.healed()
    assert set(ends) <= {400, 413, 0}, ends
    assert grown < 50, f"{grown:.0f} MB more memory"
    return f"answers {ends}, {grown:+.0f} MB"


def _end_of(world: World, rest: bytes) -> int:
    """The status of a delivery that is sent by hand; 0 when the connection was closed without one."""
    address = urlsplit(world.product.webhook_url)
    head = f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nStripe-Signature: t=1,v1=00\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0), 10) as sent:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sent.sendall(head.encode() + rest)
        with contextlib.suppress(ConnectionResetError):
            words = sent.recv(4096).split(b" ", 2)
            return int(words[1]) if len(words) > 1 else 0
    return 0


def _memory(world: World) -> int:
    found = 0
    for process in world.product.web_processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.memory_info().rss
    return found


@row("F29", "the connection is ended while its events are under way", last=True)
async def parted(world: World, _dice: random.Random) -> str:
    """Each ends as ignored, with the reason; the secrets are gone; nothing new is taken."""
    world.product.slow_reads(delay_ms=1_500, times=8)
    for invoice_id in world.take(2):
        await world.pay(invoice_id)
    await asyncio.to_thread(world.chore, "part")
    world.stripe.control("POST", "/deliver", {"retry_seconds": []})
    world.healed()
    sealed = "SELECT sealed_credentials::text FROM connected_account"
    assert await world.product.value(sealed) == "{}"
    await asyncio.sleep(6.0)  # a process may know a connection for five seconds
    assert await world.send(unknown_event()) == 404
    ended = await world.product.rows(
        """
        SELECT state, count(*) FROM webhook_event WHERE processed_at > now() - interval '1 minute'
        GROUP BY 1
        """
    )
    return ", ".join(f"{number} {state}" for state, number in ended)
