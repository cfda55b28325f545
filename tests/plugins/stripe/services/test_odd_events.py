"""Events that are unusual: of other types or versions, about strangers, what is gone, what needs a person."""

from __future__ import annotations

import json
from typing import Any

import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.webhooks import process_event
from portal.contract.loading import plugin_by_id
from portal.webhooks.intake import receive
from tests.builders import WEBHOOK_SECRET, Connected
from tests.plugins.stripe.services.stories import (
    invoice_row,
    process_all,
    published_invoice,
    reads_of,
    take_in,
    value,
)

ELSEWHERE = "00000000-0000-0000-0000-000000000000"


async def sent(account: Connected, kind: str, thing: dict[str, Any], **more: Any) -> str:
    """What became of an event that Stripe signed: its state and outcome."""
    plugin = plugin_by_id("stripe")
    assert plugin is not None
    event_id = f"evt_{kind.replace('.', '')}"
    event = {"id": event_id, "object": "event", "type": kind, "livemode": False, "data": {"object": thing}}
    body = json.dumps(event | {"api_version": "2026-10-28.endive"} | more)
    header = stripe_sdk.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
    await receive(plugin, account.token, body.encode(), {"stripe-signature": header})
    await process_event(int(await value("SELECT id FROM webhook_event WHERE external_id = $1", event_id)))
    found = await value("SELECT state || ': ' || outcome FROM webhook_event WHERE external_id = $1", event_id)
    return str(found)


async def test_a_type_that_nobody_knows_is_kept_and_ignored(
    account: Connected, sandbox: RunningSandbox
) -> None:
    with reads_of(sandbox) as reads:
        told = await sent(account, "moon.phase_changed", {"object": "moon", "id": "moon_1"})
    assert told == "ignored: Kept for the record: nothing here follows events of this type."
    assert not reads


async def test_an_upcoming_invoice_has_no_id_and_leads_to_nothing(
    account: Connected, sandbox: RunningSandbox
) -> None:
    with reads_of(sandbox) as reads:
        assert (await sent(account, "invoice.upcoming", {"object": "invoice"})).startswith("ignored")
    assert not reads


async def test_an_event_of_an_old_version_is_handled_like_any_other(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    old = {"object": "invoice", "id": external_id, "paid": False, "status": "open", "charge": "ch_1"}
    assert (await sent(account, "invoice.paid", old, api_version="2019-05-16")).startswith("processed")
    assert (await invoice_row(invoice_id))["status"] == "paid"


async def test_what_is_gone_or_names_nothing_is_ignored_with_words(account: Connected) -> None:
    refund = {"object": "refund", "id": "re_1", "payment_intent": "pi_gone", "charge": "ch_1"}
    told = [
        await sent(account, "invoice.paid", {"object": "invoice", "id": "in_gone"}),
        await sent(account, "credit_note.created", {"object": "credit_note", "invoice": "in_gone2"}),
        await sent(account, "refund.created", refund),
        await sent(account, "charge.refunded", {"object": "charge", "id": "ch_1", "payment_intent": None}),
        await sent(account, "charge.dispute.created", {"object": "dispute", "id": "du_1", "charge": "ch_2"}),
        await sent(account, "setup_intent.setup_failed", {"object": "setup_intent", "id": "seti_1"}),
        await sent(account, "mandate.updated", {"object": "mandate", "id": "mandate_1"}),
        await sent(account, "product.updated", {"object": "product"}),
    ]
    assert [one for one in told if not (one.startswith("ignored: ") and one[len("ignored: ") :])] == []


async def test_what_stripe_does_not_have_any_more_is_marked_as_deleted(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    price = {
        "object": "price",
        "id": "price_gone",
        "product": "prod_gone",
        "currency": "usd",
        "unit_amount": 900,
        "recurring": {"interval": "year", "interval_count": 1},
        "active": True,
    }
    await sent(account, "price.deleted", price)
    assert await value("SELECT deleted AND words = '$9.00 per year' FROM plan")
    item = {"price": price, "quantity": 1, "current_period_start": 1, "current_period_end": 2}
    subscription = {
        "object": "subscription",
        "id": "sub_gone",
        "customer": "cus_gone",
        "status": "active",
        "currency": "usd",
        "start_date": 1,
        "items": {"data": [item]},
    }
    await sent(account, "customer.subscription.updated", subscription)
    assert await value("SELECT status FROM subscription") == "canceled"
    method = {"object": "payment_method", "id": "pm_gone", "type": "card", "customer": "cus_gone", "card": {}}
    await sent(account, "payment_method.updated", method)
    assert await value("SELECT customer_external_id IS NULL FROM payment_method")
    customer = stripe.customers.create({"name": "Gone"}).id
    stripe.customers.delete(customer)
    await process_all(await take_in(account, stripe, "customer.created"))
    assert await value("SELECT deleted FROM customer_link WHERE external_id = $1", customer)


async def test_a_customer_of_another_installation_is_quarantined(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    stripe.customers.create({"name": "Clone", "metadata": {"portal_customer": f"{ELSEWHERE}:1"}})
    await process_all(await take_in(account, stripe, "customer.created"))
    assert await value("SELECT count(*) FROM customer_link") == 0
    assert "another installation" in await value("SELECT outcome FROM webhook_event")


async def test_what_needs_a_person_becomes_an_alert(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_createIssuerFraudWarning"})
    await process_all(await take_in(account, stripe))
    payout = {
        "object": "payout",
        "id": "po_1",
        "amount": 12_345,
        "currency": "usd",
        "created": 1_790_000_000,
        "failure_message": "The account was closed.",
    }
    with reads_of(sandbox) as reads:
        await sent(account, "payout.failed", payout)
        assert (await sent(account, "payout.paid", payout)).startswith("ignored")
    assert not reads
    alerts = await value(
        "SELECT string_agg(kind || ':' || coalesce(invoice, 0), ' ' ORDER BY id) FROM provider_alert"
    )
    assert alerts == f"fraud_warning:{invoice_id} payout_failed:0"
    assert await value("SELECT words FROM provider_alert WHERE kind = 'payout_failed'") == (
        "A payout of $123.45 did not reach your bank account: The account was closed."
    )


async def test_a_change_of_the_account_has_its_checks_run_again(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    sandbox.control("POST", "/account", {"charges_enabled": False})
    await process_all(await take_in(account, stripe))
    assert await value("SELECT outcome FROM webhook_event WHERE type = 'account.updated'")
    assert await value("SELECT state FROM webhook_event WHERE type = 'account.updated'") == "processed"
