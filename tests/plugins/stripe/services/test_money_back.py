"""Refunds and disputes that begin in Stripe reach the invoice, in one turn with its other events."""

from __future__ import annotations

import random
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.domain.events import ENDPOINT_EVENTS, Follow, follow
from plugins.stripe.domain.invoices import Raw
from plugins.stripe.gateway import reads
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.publishing import run_sync_task
from plugins.stripe.services.subjects import read
from portal.audit.services import SYSTEM
from portal.invoices.closing import RefundRequest, request_refund
from portal.money import Money
from portal.sdk import Subject, load_account
from tests.builders import Connected
from tests.plugins.stripe.services.stories import (
    intent_of,
    invoice_row,
    process_all,
    published_invoice,
    reads_of,
    take_in,
    task_of,
    value,
)

ABOUT_MONEY = tuple(name for name in ENDPOINT_EVENTS if follow(name) is Follow.INVOICE)


async def paid_invoice(stripe: stripe_sdk.V1Services, method: str = "pm_card_visa") -> tuple[int, str, str]:
    """A paid invoice, its events not handled yet: our id, Stripe's, and the payment intent's."""
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": method})
    return invoice_id, external_id, intent_of(stripe, external_id)


async def test_all_events_of_a_paid_invoice_cost_one_read_and_one_of_a_refund_two(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, _, intent = await paid_invoice(stripe)
    with reads_of(sandbox) as calls:
        await process_all(await take_in(account, stripe, *ABOUT_MONEY))
    assert calls == {"GET /v1/invoices/{invoice}": 1}
    stripe.refunds.create({"payment_intent": intent, "amount": 8_000})
    with reads_of(sandbox) as calls:
        await process_all(await take_in(account, stripe, "refund.created", "charge.refunded"))
    assert calls == {"GET /v1/invoices/{invoice}": 1, "GET /v1/refunds": 1}
    assert (await invoice_row(invoice_id))["amount_paid_minor"] == 40_000


@pytest.mark.parametrize("only", ["charge.refunded", "refund.created"])
async def test_each_of_the_events_of_a_refund_is_enough(
    account: Connected, stripe: stripe_sdk.V1Services, only: str
) -> None:
    invoice_id, _, intent = await paid_invoice(stripe)
    stripe.refunds.create({"payment_intent": intent, "reason": "requested_by_customer"})
    await process_all(await take_in(account, stripe, only))
    assert (await invoice_row(invoice_id))["amount_paid_minor"] == 0
    row = await value("SELECT row_to_json(r) FROM refund r")
    assert '"status":"succeeded"' in row
    assert '"reason":"requested by customer"' in row


async def test_a_refund_that_fails_later_gives_the_money_back_to_the_ledger(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, _, intent = await paid_invoice(stripe, "pm_card_refundFail")
    stripe.refunds.create({"payment_intent": intent})
    await process_all(await take_in(account, stripe))
    assert (await invoice_row(invoice_id))["amount_paid_minor"] == 0
    sandbox.advance(10)
    await process_all(await take_in(account, stripe))
    assert (await invoice_row(invoice_id))["amount_paid_minor"] == 48_000
    assert await value("SELECT status FROM refund") == "failed"
    assert await value("SELECT failure FROM refund") == "The card has expired or was cancelled."


async def test_events_of_a_refund_end_the_same_in_any_order(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, _, intent = await paid_invoice(stripe)
    stripe.refunds.create({"payment_intent": intent, "amount": 1_000})
    stripe.refunds.create({"payment_intent": intent, "amount": 2_000})
    sandbox.advance(10)
    events = await take_in(account, stripe)
    random.Random(11).shuffle(events)  # noqa: S311 - a fixed order, not a secret
    await process_all(events)
    assert (await invoice_row(invoice_id))["amount_paid_minor"] == 45_000
    assert await value("SELECT count(*) FROM refund") == 2


async def test_a_dispute_holds_the_money_back_until_it_is_won(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, _, intent = await paid_invoice(stripe, "pm_card_createDispute")
    await process_all(await take_in(account, stripe))
    assert await value("SELECT status FROM dispute") == "needs_response"
    assert await value("SELECT withdrawn FROM dispute")
    assert await value("SELECT respond_by > now() FROM dispute")
    assert (await invoice_row(invoice_id))["amount_paid_minor"] == 0
    (dispute,) = stripe.disputes.list({"payment_intent": intent}).data
    stripe.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    await process_all(await take_in(account, stripe))
    assert await value("SELECT status FROM dispute") == "won"
    assert (await invoice_row(invoice_id))["amount_paid_minor"] == 48_000


async def test_a_refund_that_no_event_told_of_is_seen_when_somebody_looks(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    _, external_id, intent = await paid_invoice(stripe)
    stripe.refunds.create({"payment_intent": intent})
    opened = await load_account(account.id)
    reading = await read(opened, Subject(f"invoice:{external_id}", ()), ())
    assert [type(fact).__name__ for fact in reading.facts].count("RefundSeen") == 1


async def test_money_that_paid_no_invoice_is_none_of_ours(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    customer = stripe.customers.create({"name": "Somebody"})
    intent = stripe.payment_intents.create(
        {
            "amount": 900,
            "currency": "usd",
            "customer": customer.id,
            "confirm": True,
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    stripe.refunds.create({"payment_intent": intent.id})
    await process_all(await take_in(account, stripe))
    assert await value("SELECT count(*) FROM payment") == 0
    assert await value("SELECT count(*) FROM webhook_event WHERE state = 'processed'") == 1  # the customer
    assert await value("SELECT outcome FROM webhook_event WHERE type = 'refund.created'") == (
        "It is about a payment that pays no invoice."
    )


async def test_a_credit_note_settles_a_part_until_it_is_voided(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    note = stripe.credit_notes.create({"invoice": external_id, "amount": 8_000})
    with reads_of(sandbox) as calls:
        await process_all(await take_in(account, stripe, "credit_note.created", "invoice.updated"))
    assert calls == {"GET /v1/invoices/{invoice}": 1, "GET /v1/credit_notes": 1}
    assert await value("SELECT kind || ': ' || method FROM payment") == f"credit: Credit note {note.number}"
    assert (await invoice_row(invoice_id))["amount_paid_minor"] == 8_000
    stripe.credit_notes.void_credit_note(note.id)
    await process_all(await take_in(account, stripe, "credit_note.voided", "invoice.updated"))
    assert (await invoice_row(invoice_id))["amount_paid_minor"] == 0
    stripe.credit_notes.create({"invoice": external_id, "amount": 3_000})
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    await process_all(await take_in(account, stripe))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["amount_paid_minor"]) == ("paid", 48_000)
    assert await value("SELECT sum(amount_minor) FROM payment WHERE kind = 'payment'") == 45_000


async def test_a_refund_is_seen_though_the_invoice_does_not_count_its_payment_yet(
    account: Connected, stripe: stripe_sdk.V1Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe's intent is ahead of its invoice for a moment, and nobody hears of the refund again."""
    invoice_id, _, intent = await paid_invoice(stripe)
    stripe.refunds.create({"payment_intent": intent, "amount": 8_000})
    real = reads.retrieve_invoice

    async def behind(*arguments: Any) -> Raw:
        raw = await real(*arguments)
        (payment,) = raw["payments"]["data"]
        payment |= {"status": "open", "amount_paid": None}
        return raw | {"status": "open", "amount_paid": 0, "amount_remaining": 48_000}

    monkeypatch.setattr(reads, "retrieve_invoice", behind)
    await process_all(await take_in(account, stripe, "refund.created", "charge.refunded"))
    monkeypatch.setattr(reads, "retrieve_invoice", real)
    await process_all(await take_in(account, stripe, *ABOUT_MONEY))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["amount_paid_minor"]) == ("paid", 40_000)
    assert row["amount_returned_minor"] == 8_000


async def test_a_refund_of_ours_is_seen_at_once_though_other_news_of_its_invoice_waits(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    """Its own event may never come: then it would stay asked for."""
    invoice_id, _, intent = await paid_invoice(stripe)
    await process_all(await take_in(account, stripe, "payment_intent.succeeded"))
    assert await take_in(account, stripe, "invoice.paid"), "it is read together with the refund"
    wanted = RefundRequest(intent, Money(100, "usd"))
    refund = await request_refund(invoice_id, wanted, actor=SYSTEM)
    await run_sync_task(await task_of(refund, "send_refund"))
    assert await value("SELECT status FROM refund") == "succeeded"
    assert (await invoice_row(invoice_id))["amount_paid_minor"] == 47_900
    assert await value("SELECT count(*) FROM webhook_event WHERE state = 'received'") == 0
