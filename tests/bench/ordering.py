"""Order, repetition and signatures against a portal that runs: how often it ends with a wrong state.

python -m tests.bench.ordering
python -m tests.bench.ordering --short    # each thing a few times only
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import stripe as stripe_sdk

from tests.bench.figures import Figure, note
from tests.builders import WEBHOOK_SECRET
from tests.faults.proxies import Line
from tests.faults.worlds import World, running_world
from tests.processes.deliveries import sender_to, unknown_event
from tests.processes.products import PAID_ONCE

COPIES = 4
HOUR = 3600
UPDATED, FAILED, PAID = "customer.subscription.updated", "invoice.payment_failed", "invoice.paid"
STATUS = {
    "subscription": "SELECT status FROM subscription WHERE external_id = $1",
    "invoice": "SELECT status FROM invoice WHERE external_id = $1",
}
DONE = """
SELECT count(*) FROM webhook_event WHERE external_id = ANY($1::text[]) AND processed_at IS NOT NULL
"""
END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How often each thing is done."""

    times: int = 10
    """Each order."""
    doubled: int = 15
    """Payments whose events come several times at once."""
    bad: int = 30
    """Deliveries of each kind of bad signature."""


SHORT = Sizes(times=2, doubled=4, bad=4)


def event_of(kind: str, snapshot: dict[str, Any], *, ago: int = 0, **changed: Any) -> dict[str, Any]:
    """An event about an object as it was so many seconds ago."""
    made = {"created": int(time.time()) - ago, "data": {"object": {**snapshot, **changed}}}
    return unknown_event() | {"type": kind, **made}


async def subscription(world: World) -> dict[str, Any]:
    """An active one at Stripe."""
    planted = await asyncio.to_thread(world.stripe.control, "POST", "/subscriptions", {"status": "active"})
    found: dict[str, Any] = planted["data"][0]
    return found


async def paid_invoice(world: World) -> dict[str, Any]:
    """One of the portal's that was just paid at Stripe, of which nobody has told the portal."""
    (invoice_id,) = world.take(1)
    external_id = await world.pay(invoice_id)
    read = await asyncio.to_thread(world.stripe.dashboard.invoices.retrieve, external_id)
    return read.to_dict(for_json=True)


Case = Callable[[World], Awaitable[tuple[dict[str, Any], list[dict[str, Any]]]]]
"""The object as it is, and the events about it in the order in which they come."""


async def newer_then_older(world: World) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Subscription: the newer event comes first, ten seconds apart."""
    now = await subscription(world)
    return now, [event_of(UPDATED, now), event_of(UPDATED, now, ago=10, status="past_due")]


async def same_second_older_first(world: World) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Subscription: both in one second, the older one first."""
    now = await subscription(world)
    return now, [event_of(UPDATED, now, status="past_due"), event_of(UPDATED, now)]


async def paid_then_older_failure(world: World) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Invoice: paid, then a failure of ten seconds before."""
    now = await paid_invoice(world)
    return now, [event_of(PAID, now), event_of(FAILED, now, ago=10, status="open", amount_paid=0)]


async def failure_then_paid(world: World) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Invoice: both in one second, the failure first."""
    now = await paid_invoice(world)
    return now, [event_of(FAILED, now, status="open", amount_paid=0), event_of(PAID, now)]


async def paid_then_failure(world: World) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Invoice: both in one second, the failure last."""
    now = await paid_invoice(world)
    return now, [event_of(PAID, now), event_of(FAILED, now, status="open", amount_paid=0)]


CASES: tuple[Case, ...] = (
    newer_then_older,
    same_second_older_first,
    paid_then_older_failure,
    failure_then_paid,
    paid_then_failure,
)


async def measure(world: World, sizes: Sizes) -> None:
    """Print and note everything."""
    async with sender_to(world.product.webhook_url) as world.sender:
        world.deliver_with(hold=True)
        wrong = 0
        for case in CASES:
            found = sum([await _is_wrong(world, case) for _ in range(sizes.times)])
            print(f"{found:>4} of {sizes.times} wrong   {case.__doc__}")
            wrong += found
        found = sum([await _overtaken(world) for _ in range(sizes.times)])
        print(f"{found:>4} of {sizes.times} wrong   Invoice: the answer to the older event's read is slow.")
        wrong += found
        orders = (len(CASES) + 1) * sizes.times
        note(Figure("F9", f"end states wrong, of {orders} orders", wrong, "", "0", wrong == 0))
        doubled = await _doubled(world, sizes.doubled)
        what = f"payments not once, of {sizes.doubled}, {COPIES} deliveries at a time"
        note(Figure("F9", what, doubled, "", "0", doubled == 0))
        taken = await _bad_signatures(world, sizes.bad)
        note(Figure("F9", f"bad signatures taken, of {5 * sizes.bad}", taken, "", "0", taken == 0))


async def _is_wrong(world: World, case: Case) -> bool:
    now, events = await case(world)
    for event in events:
        assert await world.send(event) == 200
        await _until_done(world, [event])
    return bool(await _stored(world, now) != now["status"])


async def _overtaken(world: World) -> bool:
    """The first event's read is under way, with the invoice still open, when it is paid and told."""
    (invoice_id,) = world.take(1)
    external_id = await world.product.value("SELECT external_id FROM invoice WHERE id = $1", invoice_id)
    retrieve = world.stripe.dashboard.invoices.retrieve
    before = (await asyncio.to_thread(retrieve, external_id)).to_dict(for_json=True)
    first = event_of("invoice.updated", before)
    with world.sandbox.being(Line.LATE, seconds=0.3):
        await world.send(first)
        await asyncio.sleep(0.45)
        await world.pay(invoice_id)
        after = (await asyncio.to_thread(retrieve, external_id)).to_dict(for_json=True)
        second = event_of(PAID, after)
        await world.send(second)
        await _until_done(world, [first, second])
    return await _stored(world, after) != "paid"


async def _doubled(world: World, payments: int) -> int:
    """Payments that are not in the ledger exactly once after four deliveries of each event at once."""
    invoice_ids = world.take(payments)
    events = [event for invoice_id in invoice_ids for event in await world.product.pay(invoice_id)]
    sent = await world.sender.deliver_each([event for event in events for _ in range(COPIES)])
    assert set(sent) == {200}, set(sent)
    await _until_done(world, events)
    wrong = sum(standing != PAID_ONCE for standing in await world.product.ledger_of(invoice_ids))
    print(f"{wrong:>4} of {payments} wrong   Payments whose events came {COPIES} times at once.")
    return wrong


async def _bad_signatures(world: World, times: int) -> int:
    """Deliveries that were taken although their signature, or its time, is wrong."""
    now, sign = int(time.time()), stripe_sdk.WebhookSignature.generate_signature_header
    manners: dict[str, Callable[[str], str | None]] = {
        "another secret": lambda body: sign(body, "whsec_other"),
        "no signature": lambda _: None,
        "an hour old": lambda body: sign(body, WEBHOOK_SECRET, timestamp=now - HOUR),
        "an hour ahead": lambda body: sign(body, WEBHOOK_SECRET, timestamp=now + HOUR),
        "changed on the way": lambda body: sign(body + " ", WEBHOOK_SECRET),
    }
    taken = 0
    for name, header in manners.items():
        statuses = [await _send_signed(world, header) for _ in range(times)]
        found = sum(status != 400 for status in statuses)
        print(f"{found:>4} of {times} taken   {name}")
        taken += found
    return taken


async def _send_signed(world: World, header: Callable[[str], str | None]) -> int:
    body = json.dumps(unknown_event())
    signature = header(body)
    headers = {} if signature is None else {"stripe-signature": signature}
    http: httpx.AsyncClient = world.sender.http
    return (await http.post(world.product.webhook_url, content=body, headers=headers)).status_code


async def _until_done(world: World, events: list[dict[str, Any]]) -> None:
    query = (
        "SELECT count(*) FROM webhook_event WHERE external_id = ANY($1::text[]) AND processed_at IS NOT NULL"
    )
    ids = [event["id"] for event in events]
    await world.product.until(query, ids, is_=len(ids), seconds=END_SECONDS)


async def _stored(world: World, now: dict[str, Any]) -> str | None:
    found: str | None = await world.product.value(STATUS[now["object"]], now["id"])
    return found


def main(sizes: Sizes) -> None:
    """Start a world, measure, stop it."""
    with (
        tempfile.TemporaryDirectory(prefix="portal-ordering-") as folder,
        running_world(Path(folder), invoices=4 * sizes.times + sizes.doubled) as world,
    ):
        asyncio.run(measure(world, sizes))


if __name__ == "__main__":
    main(SHORT if "--short" in sys.argv else Sizes())
