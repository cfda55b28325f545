"""Events change the portal to what Stripe says now, in whatever order and number they come."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from pathlib import Path

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.payments import refresh_payment
from plugins.stripe.services.webhooks import process_event
from portal.contract.loading import plugin_by_id
from portal.database.transaction import transaction
from portal.sdk import load_account
from portal.webhooks import processing
from portal.webhooks.intake import receive
from portal.webhooks.locks import object_lock
from tests.builders import WEBHOOK_SECRET, Connected
from tests.plugins.stripe.services.stories import (
    intent_of,
    invoice_row,
    process_all,
    published_invoice,
    take_in,
    value,
)

COMPOSED = sorted((Path(__file__).parents[3] / "data" / "stripe_events").glob("*.json"))


async def test_a_paid_invoice_is_one_ledger_row_with_its_method(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    await process_all(await take_in(account, stripe))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["amount_paid_minor"], row["entries"]) == ("paid", 48_000, 1)
    assert await value("SELECT method FROM payment") == "Visa ending 4242"
    assert await value("SELECT method FROM payment_attempt") == "Visa ending 4242"
    assert await value("SELECT count(*) FROM webhook_event WHERE state NOT IN ('processed', 'ignored')") == 0


@pytest.mark.parametrize("only", ["payment_intent.succeeded", "invoice.paid", "invoice_payment.paid"])
async def test_each_of_the_events_of_a_payment_is_enough(
    account: Connected, stripe: stripe_sdk.V1Services, only: str
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    await process_all(await take_in(account, stripe, only))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["entries"]) == ("paid", 1)


async def test_every_order_of_a_payments_events_ends_the_same(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    wanted = ("charge.succeeded", "payment_intent.succeeded", "invoice_payment.paid", "invoice.paid")
    for order in itertools.islice(itertools.permutations(range(4)), 0, 24, 5):
        invoice_id, external_id = await published_invoice()
        stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
        events = await take_in(account, stripe, *wanted)
        assert len(events) == len(wanted)
        await process_all([events[position] for position in order])
        row = await invoice_row(invoice_id)
        assert (row["status"], row["entries"]) == ("paid", 1), order


async def test_events_in_parallel_share_reads_and_write_one_row(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    events = await take_in(account, stripe)
    random.Random(7).shuffle(events)  # noqa: S311 - a fixed order, not a secret
    before = sum(n for route, n in sandbox.calls().items() if route.startswith("GET /v1/invoices"))
    await asyncio.gather(*(process_event(event) for event in events for _ in range(2)))
    reads = sum(n for route, n in sandbox.calls().items() if route.startswith("GET /v1/invoices")) - before
    assert (await invoice_row(invoice_id))["entries"] == 1
    assert reads == 1, sandbox.calls()


async def test_a_decline_is_noted_with_its_reason_and_leaves_the_debt(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    with pytest.raises(stripe_sdk.CardError):
        stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"})
    await process_all(await take_in(account, stripe))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["entries"]) == ("open", 0)
    assert await value("SELECT code FROM payment_attempt") == "insufficient_funds"
    assert await value("SELECT count(*) FROM payment_attempt") == 1


async def test_a_bank_debit_is_under_way_then_fails_and_reopens_the_invoice(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    intent = intent_of(stripe, external_id)
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_insufficientFunds"})
    await process_all(await take_in(account, stripe))
    assert (await invoice_row(invoice_id))["status"] == "processing"
    sandbox.settle(intent)
    await process_all(await take_in(account, stripe))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["entries"]) == ("open", 0)
    assert await value("SELECT state FROM payment_attempt") == "failed"


async def test_a_bank_debit_that_clears_pays_the_invoice(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    intent = intent_of(stripe, external_id)
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_success"})
    await process_all(await take_in(account, stripe))
    sandbox.settle(intent)
    await process_all(await take_in(account, stripe))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["entries"]) == ("paid", 1)


async def test_paid_outside_stripe_is_an_offline_payment(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"paid_out_of_band": True})
    await process_all(await take_in(account, stripe, "invoice.paid"))
    assert (await invoice_row(invoice_id))["status"] == "paid"
    assert await value("SELECT kind FROM payment") == "offline"


async def test_a_stale_failure_after_the_payment_changes_nothing(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    with pytest.raises(stripe_sdk.CardError):
        stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa_chargeDeclined"})
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    paid = await take_in(account, stripe, "invoice.paid")
    late = await take_in(account, stripe, "invoice.payment_failed", "payment_intent.payment_failed")
    await process_all([*paid, *late])
    row = await invoice_row(invoice_id)
    assert (row["status"], row["amount_paid_minor"], row["entries"]) == ("paid", 48_000, 1)


async def test_an_event_waits_while_stripe_is_away_and_is_applied_afterwards(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    events = await take_in(account, stripe, "invoice.paid")
    sandbox.add_fault(match="GET /v1/invoices/*", status=503, times=1)
    await process_all(events)
    assert await value("SELECT state FROM webhook_event") == "received"
    assert await value("SELECT due_at > now() FROM webhook_event")
    assert await value("SELECT error_words FROM webhook_event") == "Stripe answered 503."
    await process_all(events)
    assert (await invoice_row(invoice_id))["status"] == "paid"


async def test_a_killed_workers_event_is_handed_out_again_when_its_lease_ends(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    (event_id,) = await take_in(account, stripe, "invoice.paid")
    async with object_lock(account.id, "x") as held:
        await processing.claim_events(held, account.id, "x", [external_id])
    await process_event(event_id)
    assert (await invoice_row(invoice_id))["status"] == "open"
    await value("UPDATE webhook_event SET lease_until = now() - interval '1 second'")
    await value("UPDATE webhook_event SET due_at = now() - interval '1 minute'")
    await value("DELETE FROM portal_job")
    async with transaction() as tx:
        assert await processing.release_due(tx.connection) == 1
    await process_event(event_id)
    assert (await invoice_row(invoice_id))["status"] == "paid"


async def test_an_event_that_kills_its_worker_five_times_is_parked(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    _, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    await take_in(account, stripe, "invoice.paid")
    await value(
        "UPDATE webhook_event SET state = 'processing', crashes = 4, lease_until = now() - interval '1 s'"
    )
    async with transaction() as tx:
        await processing.release_due(tx.connection)
    assert await value("SELECT state FROM webhook_event") == "parked"
    assert "worker ended" in await value("SELECT error_words FROM webhook_event")


async def test_the_page_does_not_wait_for_the_webhook(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    opened = await load_account(account.id)
    await asyncio.gather(*(refresh_payment(opened, invoice_id) for _ in range(8)))
    await process_all(await take_in(account, stripe))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["entries"]) == ("paid", 1)


async def test_a_customer_made_in_stripe_waits_for_somebody_to_link_it(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    stripe.customers.create({"name": "Globex Trading", "email": "ap@globex.example"})
    await process_all(await take_in(account, stripe, "customer.created"))
    assert await value("SELECT customer FROM customer_link") is None
    assert await value("SELECT email FROM customer_link") == "ap@globex.example"


@pytest.mark.parametrize("path", COMPOSED, ids=lambda path: path.stem)
async def test_a_known_event_about_strangers_is_stored_and_ends(account: Connected, path: Path) -> None:
    plugin = plugin_by_id("stripe")
    assert plugin is not None
    body = json.dumps(json.loads(path.read_bytes()))
    header = stripe_sdk.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
    for _ in range(2):
        await receive(plugin, account.token, body.encode(), {"stripe-signature": header})
    assert await value("SELECT count(*) FROM webhook_event") == 1
    await process_event(int(await value("SELECT id FROM webhook_event")))
    assert await value("SELECT state FROM webhook_event") in ("processed", "ignored")
