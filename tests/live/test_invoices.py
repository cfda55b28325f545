"""The plugin's gateway against either Stripe: an invoice from draft to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import stripe as stripe_sdk

from plugins.stripe.domain.invoices import Raw, read_invoice
from plugins.stripe.gateway import payments as gateway
from plugins.stripe.gateway import reads
from plugins.stripe.gateway.client import CallRefused, ObjectMissing, close_clients
from portal.sdk import PayableInvoice
from tests.live.stripes import Stripe, an_invoice, fresh

pytestmark = pytest.mark.filterwarnings("default")  # Stripe sends notices, which the SDK turns into warnings
RETURN_URL = "https://example.com/return"


@pytest.fixture(autouse=True)
async def _closed_clients() -> AsyncIterator[None]:
    yield
    await close_clients()


async def make_customer(stripe: Stripe, invoice: PayableInvoice) -> str:
    made = await gateway.create_customer(stripe.account, stripe.settings, key=fresh("key"), buyer=invoice)
    stripe.made.append(str(made["id"]))
    return str(made["id"])


async def make_draft(stripe: Stripe, invoice: PayableInvoice) -> Raw:
    customer = await make_customer(stripe, invoice)
    key = fresh("key")
    draft = await gateway.create_invoice(
        stripe.account, stripe.settings, key=key, customer=customer, invoice=invoice
    )
    return await gateway.add_invoice_lines(
        stripe.account, stripe.settings, draft=str(draft["id"]), key=f"{key}:lines", invoice=invoice
    )


async def make_open(stripe: Stripe, invoice: PayableInvoice) -> Raw:
    draft = await make_draft(stripe, invoice)
    return await gateway.finalize_invoice(
        stripe.account, stripe.settings, invoice=str(draft["id"]), key=fresh("key")
    )


def confirm(stripe: Stripe, raw: Raw, method: str) -> stripe_sdk.PaymentIntent:
    (intent,) = read_invoice(raw).intents
    return stripe.client.v1.payment_intents.confirm(
        intent, {"payment_method": method, "return_url": RETURN_URL}
    )


async def read_again(stripe: Stripe, raw: Raw) -> Raw:
    return await reads.retrieve_invoice(stripe.account, stripe.settings, str(raw["id"]))


async def test_a_draft_holds_our_lines_and_adds_up_to_our_total(stripe: Stripe) -> None:
    invoice = an_invoice(amounts=(1500, 1000), tax=190)
    raw = await make_draft(stripe, invoice)
    assert (raw["status"], raw["total"], raw["currency"]) == ("draft", 2690, "usd")
    assert sorted(line["amount"] for line in raw["lines"]["data"]) == [190, 1000, 1500]
    assert raw["metadata"]["portal_invoice"] == invoice.key
    assert raw["collection_method"] == "send_invoice"
    assert raw["auto_advance"] is False


async def test_an_earlier_attempts_objects_are_found_by_our_metadata(stripe: Stripe) -> None:
    invoice = an_invoice()
    raw = await make_draft(stripe, invoice)
    since = datetime.now(UTC) - timedelta(hours=1)
    found = await gateway.find_invoice(
        stripe.account,
        stripe.settings,
        customer=str(raw["customer"]),
        portal_key=invoice.key,
        since=since,
    )
    assert found is not None
    assert found["id"] == raw["id"]
    customer = await gateway.find_customer(
        stripe.account, stripe.settings, customer_key=invoice.customer_key, since=since
    )
    assert customer is not None
    assert customer["id"] == raw["customer"]


async def test_finalising_numbers_the_invoice_and_makes_one_payment(stripe: Stripe) -> None:
    raw = await make_open(stripe, an_invoice())
    reading = read_invoice(raw)
    assert (reading.status, reading.total.amount_minor) == ("open", 2690)
    assert reading.number
    assert reading.hosted_url
    assert len(reading.intents) == 1
    assert (reading.paid, reading.tried) == ((), ())
    owner = await reads.invoice_of_payment_intent(stripe.account, stripe.settings, reading.intents[0])
    assert owner == raw["id"]


async def test_the_browser_gets_the_client_secret_of_that_payment(stripe: Stripe) -> None:
    raw = await make_open(stripe, an_invoice())
    secret, found = await reads.client_secret_of(stripe.account, stripe.settings, str(raw["id"]))
    assert secret is not None
    assert secret.startswith(f"{read_invoice(raw).intents[0]}_secret_")
    assert "confirmation_secret" not in found


async def test_a_payment_pays_the_invoice_once(stripe: Stripe) -> None:
    raw = await make_open(stripe, an_invoice())
    assert confirm(stripe, raw, "pm_card_visa").status == "succeeded"
    stripe.paid_invoice(str(raw["id"]))
    reading = read_invoice(await read_again(stripe, raw))
    assert reading.status == "paid"
    (paid,) = reading.paid
    assert (paid.external_id, paid.amount.amount_minor, paid.offline) == (reading.intents[0], 2690, False)
    assert paid.attempt is not None
    secret, _ = await reads.client_secret_of(stripe.account, stripe.settings, str(raw["id"]))
    assert secret is None


async def test_a_declined_card_says_why_and_leaves_the_invoice_open(stripe: Stripe) -> None:
    raw = await make_open(stripe, an_invoice())
    with pytest.raises(stripe_sdk.CardError) as refused:
        confirm(stripe, raw, "pm_card_visa_chargeDeclined")
    assert refused.value.http_status == 402
    assert refused.value.error is not None
    assert refused.value.error.decline_code == "generic_decline"
    reading = read_invoice(await read_again(stripe, raw))
    assert (reading.status, reading.paid) == ("open", ())
    (tried,) = reading.tried
    assert (tried.failed, tried.code, tried.decline_code) == (True, "card_declined", "generic_decline")
    assert confirm(stripe, raw, "pm_card_visa").status == "succeeded"


async def test_a_payment_outside_stripe_is_told_from_a_card(stripe: Stripe) -> None:
    raw = await make_open(stripe, an_invoice())
    stripe.client.v1.invoices.pay(str(raw["id"]), {"paid_out_of_band": True})
    reading = read_invoice(await read_again(stripe, raw))
    (paid,) = reading.paid
    assert (reading.status, paid.offline, paid.amount.amount_minor) == ("paid", True, 2690)


async def test_voiding_ends_the_invoice_and_its_payment(stripe: Stripe) -> None:
    raw = await make_open(stripe, an_invoice())
    void = await gateway.void_invoice(
        stripe.account, stripe.settings, invoice=str(raw["id"]), key=fresh("key")
    )
    assert void["status"] == "void"
    (intent,) = read_invoice(raw).intents
    assert stripe.client.v1.payment_intents.retrieve(intent).status == "canceled"
    with pytest.raises(stripe_sdk.InvalidRequestError):
        confirm(stripe, raw, "pm_card_visa")


async def test_a_finalised_invoice_takes_no_more_lines(stripe: Stripe) -> None:
    invoice = an_invoice()
    raw = await make_open(stripe, invoice)
    with pytest.raises(CallRefused):
        await gateway.add_invoice_lines(
            stripe.account, stripe.settings, draft=str(raw["id"]), key=fresh("key"), invoice=invoice
        )
    assert (await read_again(stripe, raw))["total"] == 2690


async def test_a_missing_object_is_called_missing(stripe: Stripe) -> None:
    with pytest.raises(ObjectMissing):
        await reads.retrieve_invoice(stripe.account, stripe.settings, "in_1ThereIsNoSuchInvoice")


async def test_a_deleted_customer_says_so(stripe: Stripe) -> None:
    customer = await make_customer(stripe, an_invoice())
    stripe.client.v1.customers.delete(customer)
    raw = await reads.retrieve_customer(stripe.account, stripe.settings, customer)
    assert (raw["id"], raw["deleted"]) == (customer, True)
