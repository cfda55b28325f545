"""Every event four times at once, at two web processes and two worker processes: one effect each."""

from __future__ import annotations

import asyncio

from tests.processes.deliveries import Sender, unknown_event
from tests.processes.products import OPEN_EVENTS, PAID_ONCE, Product

EVENTS, DELIVERIES, PAID = 200, 4, 20


async def test_200_events_delivered_4_times_at_once_have_one_effect_each(
    product: Product, sender: Sender
) -> None:
    assert (len(product.web_processes), len(product.worker_processes)) == (2, 2)
    paid = product.invoice_ids[:PAID]
    events = [event for invoice_id in paid for event in await product.pay(invoice_id)]
    events += [unknown_event() for _ in range(EVENTS - len(events))]

    # Copies of an event stand side by side, so that they arrive together.
    statuses = await sender.deliver_each([event for event in events for _ in range(DELIVERIES)])

    assert statuses == [200] * EVENTS * DELIVERIES
    stored = "SELECT count(*) FROM webhook_event WHERE external_id = ANY($1::text[])"
    assert await product.value(stored, [event["id"] for event in events]) == EVENTS
    await product.until(OPEN_EVENTS, is_=0, seconds=60)
    assert await product.ledger_of(paid) == [PAID_ONCE] * PAID


async def test_deliveries_long_after_the_effect_change_nothing(product: Product, sender: Sender) -> None:
    events = await product.pay(product.invoice_ids[PAID])
    for event in events:
        await sender.deliver(event)
    await product.until(OPEN_EVENTS, is_=0, seconds=60)
    assert await product.ledger_of([product.invoice_ids[PAID]]) == [PAID_ONCE]

    answers = await asyncio.gather(*(sender.deliver(event) for event in events))

    assert [answer.json() for answer in answers] == [{"status": "duplicate"}] * len(events)
    assert await product.ledger_of([product.invoice_ids[PAID]]) == [PAID_ONCE]
    assert await product.value(OPEN_EVENTS) == 0
