"""How often the database is asked for the events of one payment: each question costs on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.webhooks import process_event
from portal.database import transaction
from portal.database.transaction import Connection
from tests.builders import Connected
from tests.plugins.stripe.services.stories import (
    invoice_row,
    process_all,
    published_invoice,
    take_in,
    value,
)

ONCE_A_CONNECTION = ("typeinfo_tree", "'jit'")
"""What the driver asks to learn about types."""
PAID, PAID_AGAIN = 18, 14
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"
"""Of objects: their keys have two parts."""


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked meanwhile, by way of the pool."""
    asked: list[str] = []
    over: list[bool] = []

    def note(logged: object) -> None:
        query = str(getattr(logged, "query", ""))
        if not over and not any(word in query for word in ONCE_A_CONNECTION):
            asked.append(" ".join(query.split()))

    acquire = transaction.acquire

    async def acquire_logged() -> Connection:
        held = await acquire()
        held.add_query_logger(note)
        return held

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(transaction, "acquire", acquire_logged)
        yield asked
        over.append(True)


async def test_the_events_of_a_payment_cost_few_statements_together(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    await process_all(await take_in(account, stripe))
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    events = await take_in(account, stripe)
    assert len(events) >= 6
    with statements() as asked:
        await asyncio.gather(*(process_event(event) for event in events))
    assert (await invoice_row(invoice_id))["status"] == "paid"
    assert len(asked) <= PAID, "\n".join(asked)
    assert await value(LOCKS) == 0


async def test_an_event_that_says_nothing_new_writes_little(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    await process_all(await take_in(account, stripe, "payment_intent.succeeded"))
    assert (await invoice_row(invoice_id))["status"] == "paid"
    late = await take_in(account, stripe, "invoice.paid")
    with statements() as asked:
        await process_all(late)
    assert any("UPDATE webhook_event" in text for text in asked)
    assert not any(text.startswith("UPDATE invoice") for text in asked)
    assert len(asked) <= PAID_AGAIN, "\n".join(asked)


async def test_an_object_that_could_not_be_read_is_free_for_the_next_worker(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    _, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    events = await take_in(account, stripe, "invoice.paid")
    sandbox.add_fault(match="GET /v1/invoices/*", status=503, times=1)
    await process_all(events)
    assert await value("SELECT state FROM webhook_event WHERE id = $1", events[0]) == "received"
    assert await value(LOCKS) == 0
