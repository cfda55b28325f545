"""Payments that were made outside Stripe, and credit notes: what they leave to be paid."""

from __future__ import annotations

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import intent_of, make_open


def record(client: stripe_sdk.StripeClient, value: int, currency: str = "usd", **labels: str) -> str:
    """A reported payment that is certain."""
    made = client.v1.payment_records.report_payment(
        {
            "metadata": labels,
            "amount_requested": {"currency": currency, "value": value},
            "initiated_at": 1_700_000_000,
            "outcome": "guaranteed",
            "guaranteed": {"guaranteed_at": 1_700_000_000},
            "payment_method_details": {"type": "custom", "custom": {"display_name": "Bank transfer"}},
        }
    )
    return made.id


def attach(client: stripe_sdk.StripeClient, invoice: str, record_id: str) -> stripe_sdk.Invoice:
    return client.v1.invoices.attach_payment(
        invoice, {"payment_record": record_id, "expand": ["payments.data.payment.payment_record"]}
    )


def types_of(client: stripe_sdk.StripeClient) -> list[str]:
    return [str(event.type) for event in client.v1.events.list({"limit": 100}).data][::-1]


def test_a_reported_part_leaves_the_rest_to_the_default_intent(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client, amount=2500)
    record_id = record(client, 1000, portal_payment="x:1")
    read = attach(client, invoice.id, record_id)
    assert (read.status, read.amount_paid, read.amount_remaining) == ("open", 1000, 1500)
    assert read.payments is not None
    paid, asked = sorted(read.payments.data, key=lambda one: one.status, reverse=True)
    assert (paid.status, paid.amount_paid, paid.is_default) == ("paid", 1000, False)
    found = paid.payment.payment_record
    assert isinstance(found, stripe_sdk.PaymentRecord)
    assert found.metadata.to_dict() == {"portal_payment": "x:1"}
    assert (asked.status, asked.amount_requested, asked.is_default) == ("open", 1500, True)
    assert client.v1.payment_intents.retrieve(intent_of(invoice)).amount == 1500
    assert types_of(client)[-2:] == ["invoice_payment.paid", "invoice.updated"]
    read = client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"})
    assert (read.status, read.amount_paid, read.amount_overpaid) == ("paid", 2500, 0)


def test_a_report_of_all_of_it_pays_the_invoice_and_ends_the_intent(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client, amount=2500)
    read = attach(client, invoice.id, record(client, 2500))
    assert (read.status, read.amount_remaining, read.attempted) == ("paid", 0, False)
    assert client.v1.payment_intents.retrieve(intent_of(invoice)).status == "canceled"


def test_a_report_cannot_be_attached_twice_or_in_another_currency_or_to_what_is_not_owed(
    client: stripe_sdk.StripeClient,
) -> None:
    first, second = make_open(client), make_open(client)
    record_id = record(client, 100)
    attach(client, first.id, record_id)
    for invoice, other in ((first, record_id), (second, record_id), (second, record(client, 100, "eur"))):
        with pytest.raises(stripe_sdk.InvalidRequestError) as refused:
            attach(client, invoice.id, other)
        assert refused.value.param == "payment_record"
    client.v1.invoices.void_invoice(second.id)
    with pytest.raises(stripe_sdk.InvalidRequestError, match="isn't open"):
        attach(client, second.id, record(client, 100))


def test_records_are_listed_by_when_they_were_reported(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox
) -> None:
    first = record(client, 100)
    sandbox.advance(1000)
    second = record(client, 200)
    since = client.v1.payment_records.retrieve(first).created
    assert [one.id for one in client.v1.payment_records.list({"created_after": since}).data] == [second]


def test_a_debit_that_was_under_way_overpays_into_the_customers_balance(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox
) -> None:
    invoice = make_open(client, amount=2500)
    intent = intent_of(invoice)
    client.v1.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_success"})
    attach(client, invoice.id, record(client, 1000))
    assert client.v1.payment_intents.retrieve(intent).amount == 2500
    sandbox.control("POST", "/settle", {"payment_intent": intent, "outcome": "succeeded"})
    read = client.v1.invoices.retrieve(invoice.id)
    assert (read.status, read.amount_paid, read.amount_overpaid) == ("paid", 3500, 1000)
    assert client.v1.customers.retrieve(str(invoice.customer)).balance == -1000
    assert types_of(client).count("invoice.overpaid") == 1


def test_a_credit_note_on_a_paid_invoice_says_where_the_money_goes(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client, amount=2500)
    client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"})
    with pytest.raises(stripe_sdk.InvalidRequestError, match="must equal"):
        client.v1.credit_notes.create({"invoice": invoice.id, "amount": 600})
    note = client.v1.credit_notes.create(
        {
            "invoice": invoice.id,
            "amount": 600,
            "refund_amount": 300,
            "credit_amount": 200,
            "out_of_band_amount": 100,
        }
    )
    assert (note.type, note.pre_payment_amount, note.post_payment_amount) == ("post_payment", 0, 600)
    assert [one.amount_refunded for one in note.refunds] == [300]
    assert [one.amount for one in client.v1.refunds.list().data] == [300]
    assert client.v1.customers.retrieve(str(invoice.customer)).balance == -200
    read = client.v1.invoices.retrieve(invoice.id)
    assert (read.status, read.amount_paid, read.post_payment_credit_notes_amount) == ("paid", 2500, 600)
    with pytest.raises(stripe_sdk.InvalidRequestError, match="more than what was paid"):
        client.v1.credit_notes.create({"invoice": invoice.id, "amount": 2000, "out_of_band_amount": 2000})


def test_a_credit_note_takes_off_what_remains_before_it_gives_back(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client, amount=2500)
    attach(client, invoice.id, record(client, 1000))
    note = client.v1.credit_notes.create(
        {"invoice": invoice.id, "amount": 1700, "out_of_band_amount": 200, "email_type": "none"}
    )
    assert (note.type, note.pre_payment_amount, note.post_payment_amount) == ("mixed", 1500, 200)
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
