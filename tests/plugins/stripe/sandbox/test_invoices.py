from __future__ import annotations

import time
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import (
    WEEK,
    card_data,
    intent_of,
    make_customer,
    make_draft,
    make_open,
    secret_of,
)
from tests.plugins.stripe.sandbox.raw import DAHLIA, Api


def types_of(client: stripe_sdk.StripeClient) -> list[str]:
    """Every event, oldest first."""
    return [str(e.type) for e in client.v1.events.list({"limit": 100}).data][::-1]


def test_draft_adds_its_lines_up_newest_first(client: stripe_sdk.StripeClient) -> None:
    invoice = make_draft(client, amounts=(1500, 1000, -200))
    assert (invoice.status, invoice.total, invoice.amount_due, invoice.number) == ("draft", 2300, 2300, None)
    assert [line.amount for line in invoice.lines.data] == [-200, 1000, 1500]
    line = invoice.lines.data[0]
    client.v1.invoices.line_items.update(invoice.id, line.id, {"amount": -500, "description": "Rebate"})
    invoice = client.v1.invoices.remove_lines(
        invoice.id, {"lines": [{"id": invoice.lines.data[1].id, "behavior": "delete"}]}
    )
    assert [(li.amount, li.description) for li in invoice.lines.data] == [(-500, "Rebate"), (1500, "Line 1")]
    assert invoice.total == 1000


def test_lines_take_quantities_prices_and_taxes(client: stripe_sdk.StripeClient) -> None:
    draft = make_draft(client, amounts=())
    rate = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 19, "inclusive": False})
    product = client.v1.products.create({"name": "Desk"})
    price = client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 700})
    data: Any = {"currency": "usd", "unit_amount": 333, "product_data": {"name": "Screw"}}
    invoice = client.v1.invoices.add_lines(
        draft.id,
        {
            "lines": [
                {"pricing": {"price": price.id}, "quantity": 2, "tax_rates": [rate.id]},
                {"price_data": data, "quantity": 3},
            ]
        },
    )
    assert (invoice.subtotal, invoice.total, invoice.total_excluding_tax) == (2399, 2665, 2399)
    assert invoice.total_taxes is not None
    assert [(t.amount, t.taxable_amount) for t in invoice.total_taxes] == [(266, 1400)]
    assert [line.description for line in invoice.lines.data] == ["Screw", "Desk"]


def test_finalizing_numbers_the_invoice_and_makes_the_intent(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    customer = client.v1.customers.retrieve(str(invoice.customer))
    assert (invoice.status, invoice.number) == ("open", f"{customer.invoice_prefix}-0001")
    assert customer.next_invoice_sequence == 2
    intent = client.v1.payment_intents.retrieve(intent_of(invoice))
    assert (intent.amount, intent.client_secret, intent.customer) == (2500, secret_of(invoice), customer.id)
    found = client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent.id}}
    )
    assert [(p.invoice, p.status, p.is_default) for p in found.data] == [(invoice.id, "open", True)]
    with pytest.raises(stripe_sdk.InvalidRequestError) as refused:
        client.v1.invoices.finalize_invoice(invoice.id)
    assert refused.value.code == "invoice_not_editable"


def test_payment_in_the_browser_pays_the_invoice(api: Api, client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    params = {"client_secret": secret_of(invoice), **card_data("4242424242424242")}
    assert api.browse("POST", f"/v1/payment_intents/{intent_of(invoice)}/confirm", params).status == 200
    paid = client.v1.invoices.retrieve(invoice.id, {"expand": ["payments", "confirmation_secret"]})
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 2500, 0)
    assert (paid.attempted, paid.attempt_count, paid.confirmation_secret) == (True, 1, None)
    assert paid.payments is not None
    assert (paid.payments.data[0].status, paid.payments.data[0].amount_paid) == ("paid", 2500)
    assert types_of(client)[-6:] == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.updated",
    ]


def test_declined_invoice_stays_payable(api: Api, client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    params = {"client_secret": secret_of(invoice), **card_data("4000000000009995")}
    for _ in range(2):
        declined = api.browse("POST", f"/v1/payment_intents/{intent_of(invoice)}/confirm", params)
        assert declined.error["decline_code"] == "insufficient_funds"
    read = client.v1.invoices.retrieve(invoice.id, {"expand": ["confirmation_secret"]})
    assert (read.status, read.attempted, read.attempt_count) == ("open", True, 1)
    assert secret_of(read) == secret_of(invoice)
    assert types_of(client).count("invoice.payment_failed") == 2


def test_zero_invoice_is_paid_at_once(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client, amount=0)
    assert (invoice.status, invoice.attempted, invoice.attempt_count) == ("paid", True, 0)
    assert invoice.confirmation_secret is None
    assert invoice.payments is not None
    assert invoice.payments.data == []


def test_payment_outside_stripe_closes_the_invoice(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    paid = client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid, paid.attempted, paid.attempt_count) == ("paid", 2500, False, 0)
    assert client.v1.payment_intents.retrieve(intent_of(invoice)).status == "canceled"
    assert "payment_intent.succeeded" not in types_of(client)
    with pytest.raises(stripe_sdk.InvalidRequestError, match="Invoice is already paid"):
        client.v1.invoices.pay(invoice.id)


def test_void_cancels_the_intent_and_keeps_the_amount(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    void = client.v1.invoices.void_invoice(invoice.id)
    intent = client.v1.payment_intents.retrieve(intent_of(invoice))
    assert (void.status, void.amount_remaining) == ("void", 2500)
    assert (intent.status, intent.cancellation_reason) == ("canceled", "void_invoice")
    with pytest.raises(stripe_sdk.InvalidRequestError, match="isn't open"):
        client.v1.invoices.void_invoice(invoice.id)


def test_uncollectible_invoice_can_still_be_paid(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    assert client.v1.invoices.mark_uncollectible(invoice.id).amount_remaining == 2500
    assert client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"}).status == "paid"


def test_pay_uses_the_customers_default_method(client: stripe_sdk.StripeClient) -> None:
    ada = client.v1.customers.create({"payment_method": "pm_card_visa"})
    draft = make_draft(client, customer=ada.id)
    with pytest.raises(stripe_sdk.InvalidRequestError, match="no attached payment source"):
        client.v1.invoices.pay(draft.id)
    method = client.v1.customers.payment_methods.list(ada.id).data[0]
    client.v1.customers.update(ada.id, {"invoice_settings": {"default_payment_method": method.id}})
    assert client.v1.invoices.pay(draft.id).status == "paid"


def test_pay_with_an_authenticating_card_asks_for_the_customer(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    with pytest.raises(stripe_sdk.CardError) as refused:
        client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_authenticationRequired"})
    assert refused.value.code == "invoice_payment_intent_requires_action"
    assert "invoice.payment_action_required" in types_of(client)


def test_open_invoice_and_its_intent_are_locked(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    intent = intent_of(invoice)
    for attempt in (
        lambda: client.v1.invoices.update(invoice.id, {"description": "new"}),
        lambda: client.v1.invoices.add_lines(invoice.id, {"lines": [{"amount": 5, "description": "x"}]}),
        lambda: client.v1.invoices.delete(invoice.id),
        lambda: client.v1.payment_intents.update(intent, {"amount": 1}),
        lambda: client.v1.payment_intents.cancel(intent),
    ):
        with pytest.raises(stripe_sdk.InvalidRequestError):
            attempt()
    client.v1.payment_intents.update(intent, {"metadata": {"a": "b"}, "setup_future_usage": "off_session"})
    client.v1.invoices.update(invoice.id, {"metadata": {"a": "b"}})


def test_deleting_a_draft_deletes_its_items(client: stripe_sdk.StripeClient) -> None:
    draft = make_draft(client)
    assert client.v1.invoices.delete(draft.id).deleted is True
    assert client.v1.invoice_items.list().data == []


def test_pending_items_are_taken_when_asked(client: stripe_sdk.StripeClient) -> None:
    ada = make_customer(client)
    client.v1.invoice_items.create({"customer": ada.id, "amount": 400, "currency": "usd"})
    without = client.v1.invoices.create({"customer": ada.id, "pending_invoice_items_behavior": "exclude"})
    taking = client.v1.invoices.create({"customer": ada.id, "pending_invoice_items_behavior": "include"})
    assert (without.total, taking.total, taking.collection_method) == (0, 400, "charge_automatically")
    item = client.v1.invoice_items.list({"invoice": taking.id}).data[0]
    client.v1.invoice_items.update(item.id, {"amount": 450})
    assert client.v1.invoices.retrieve(taking.id).total == 450
    client.v1.invoice_items.delete(item.id)
    assert client.v1.invoices.retrieve(taking.id).total == 0


def test_small_totals_go_to_the_customers_balance(client: stripe_sdk.StripeClient) -> None:
    ada = make_customer(client)
    small = make_draft(client, amounts=(20,), customer=ada.id)
    small = client.v1.invoices.finalize_invoice(small.id)
    assert (small.status, small.amount_due, small.ending_balance) == ("paid", 0, 20)
    later = make_draft(client, amounts=(1000,), customer=ada.id)
    later = client.v1.invoices.finalize_invoice(later.id)
    assert (later.starting_balance, later.amount_due) == (20, 1020)
    assert client.v1.customers.retrieve(ada.id).balance == 0


def test_part_payment_leaves_the_rest_open(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    part = client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "usd",
            "customer": str(invoice.customer),
            "payment_method": "pm_card_visa",
            "confirm": True,
        }
    )
    read = client.v1.invoices.attach_payment(invoice.id, {"payment_intent": part.id})
    assert (read.status, read.amount_paid, read.amount_remaining) == ("open", 1000, 1500)
    assert types_of(client).count("invoice_payment.paid") == 1


def test_automatic_invoice_is_finalized_and_collected_by_itself(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox
) -> None:
    ada = client.v1.customers.create({"payment_method": "pm_card_visa"})
    method = client.v1.customers.payment_methods.list(ada.id).data[0]
    client.v1.customers.update(ada.id, {"invoice_settings": {"default_payment_method": method.id}})
    client.v1.invoice_items.create({"customer": ada.id, "amount": 900, "currency": "usd"})
    invoice = client.v1.invoices.create(
        {"customer": ada.id, "auto_advance": True, "pending_invoice_items_behavior": "include"}
    )
    sandbox.advance(3700)
    assert client.v1.invoices.retrieve(invoice.id).status == "open"
    sandbox.advance(3700)
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_lists_filter_by_customer_and_status(client: stripe_sdk.StripeClient) -> None:
    opened, draft = make_open(client), make_draft(client)
    v1 = client.v1.invoices
    assert [i.id for i in v1.list({"status": "open"}).data] == [opened.id]
    assert [i.id for i in v1.list({"customer": str(draft.customer)}).data] == [draft.id]
    assert v1.list({"created": {"lt": int(time.time()) - WEEK}}).data == []


def test_unknown_ids_name_the_parameter_by_route(api: Api) -> None:
    assert api.get("/v1/invoices/in_x").error["param"] == "invoice"
    assert api.post("/v1/invoices/in_x/pay").error["param"] == "id"
    reply = api.post("/v1/invoices", {"customer": "cus_x"})
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "resource_missing", "customer")
    reply = api.get("/v1/invoices", {"expand": ["nothing"]})
    assert (reply.status, "cannot be expanded" in reply.error["message"]) == (400, True)


def test_failed_automatic_collection_is_tried_again(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox
) -> None:
    ada = client.v1.customers.create({"payment_method": "pm_card_chargeCustomerFail"})
    method = client.v1.customers.payment_methods.list(ada.id).data[0]
    client.v1.customers.update(ada.id, {"invoice_settings": {"default_payment_method": method.id}})
    client.v1.invoice_items.create({"customer": ada.id, "amount": 900, "currency": "usd"})
    invoice = client.v1.invoices.create(
        {"customer": ada.id, "auto_advance": True, "pending_invoice_items_behavior": "include"}
    )
    sandbox.advance(3700)
    sandbox.advance(3700)
    tried = client.v1.invoices.retrieve(invoice.id)
    assert (tried.status, tried.attempt_count, tried.next_payment_attempt is not None) == ("open", 1, True)
    sandbox.advance(3 * 86400 + 10)
    assert client.v1.invoices.retrieve(invoice.id).attempt_count == 2
    for _ in range(2):
        sandbox.advance(8 * 86400)
    tried = client.v1.invoices.retrieve(invoice.id)
    assert (tried.attempt_count, tried.next_payment_attempt) == (4, None)


def test_invoice_with_a_debit_on_its_way_cannot_be_voided(client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    client.v1.invoices.pay(invoice.id, {"payment_method": "pm_usBankAccount_success"})
    with pytest.raises(stripe_sdk.InvalidRequestError):
        client.v1.invoices.void_invoice(invoice.id)
    assert client.v1.invoices.retrieve(invoice.id).status == "open"


def test_uncollectible_says_why_since_endive(api: Api, client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    client.v1.invoices.mark_uncollectible(invoice.id)
    new = api.get(f"/v1/invoices/{invoice.id}").body
    assert new["status_details"] == {"uncollectible": {"reason": "user_forgiven"}}
    old = api.get(f"/v1/invoices/{invoice.id}", headers={"Stripe-Version": DAHLIA}).body
    assert "status_details" not in old
