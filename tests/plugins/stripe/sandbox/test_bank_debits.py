"""ACH: processing for days, then the money or the reason why not."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.objects.new_methods import INSTANT_ACCOUNT
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import intent_of, make_open, secret_of
from tests.plugins.stripe.sandbox.raw import Api, Reply

DAYS_4 = 4 * 86400 + 10


def debit(api: Api, invoice: stripe_sdk.Invoice, **account: str) -> Reply:
    data: dict[str, Any] = {
        "type": "us_bank_account",
        "billing_details": {"name": "Ada", "email": "ada@example.com"},
        "us_bank_account": {"account_holder_type": "individual", **account},
    }
    params = {"client_secret": secret_of(invoice), "payment_method_data": data}
    return api.browse("POST", f"/v1/payment_intents/{intent_of(invoice)}/confirm", params)


def test_debit_pays_the_invoice_after_four_days(
    api: Api, client: stripe_sdk.StripeClient, sandbox: RunningSandbox
) -> None:
    invoice = make_open(client)
    started = debit(api, invoice, financial_connections_account=f"{INSTANT_ACCOUNT}000123456789").body
    assert (started["status"], started["processing"]) == ("processing", None)
    charge = client.v1.charges.list().data[0]
    assert (charge.id[:3], charge.status, charge.paid) == ("py_", "pending", False)
    sandbox.advance(3 * 86400)
    assert client.v1.invoices.retrieve(invoice.id).status == "open"
    sandbox.advance(86400 + 10)
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
    assert client.v1.charges.retrieve(charge.id).status == "succeeded"


@pytest.mark.parametrize(
    "account",
    [
        ("000111111113", "account_closed"),
        ("000111111116", "no_account"),
        ("000222222227", "insufficient_funds"),
        ("000333333335", "debit_not_authorized"),
    ],
)
def test_failed_debit_reopens_the_invoice_with_the_reason(
    api: Api, client: stripe_sdk.StripeClient, sandbox: RunningSandbox, account: tuple[str, str]
) -> None:
    number, code = account
    invoice = make_open(client)
    debit(api, invoice, financial_connections_account=f"{INSTANT_ACCOUNT}{number}")
    failed = sandbox.settle(intent_of(invoice))
    assert (failed["status"], failed["last_payment_error"]["code"]) == ("requires_payment_method", code)
    assert client.v1.invoices.retrieve(invoice.id).status == "open"
    types = [e.type for e in client.v1.events.list({"limit": 100}).data]
    assert {"charge.failed", "payment_intent.payment_failed", "invoice.payment_failed"} <= set(types)
    assert client.v1.charges.list().data[0].failure_code == code


def test_outcome_can_be_chosen(api: Api, client: stripe_sdk.StripeClient, sandbox: RunningSandbox) -> None:
    invoice = make_open(client)
    debit(api, invoice, financial_connections_account=f"{INSTANT_ACCOUNT}000000000009")
    sandbox.advance(DAYS_4)
    assert client.v1.payment_intents.retrieve(intent_of(invoice)).status == "processing"
    assert sandbox.settle(intent_of(invoice), "succeeded")["status"] == "succeeded"


def test_typed_account_is_proved_by_micro_deposits(
    api: Api, client: stripe_sdk.StripeClient, sandbox: RunningSandbox
) -> None:
    invoice = make_open(client)
    asked = debit(api, invoice, account_number="000123456789", routing_number="110000000").body
    assert asked["next_action"]["type"] == "verify_with_microdeposits"
    intents = client.v1.payment_intents
    with pytest.raises(stripe_sdk.InvalidRequestError) as refused:
        intents.verify_microdeposits(intent_of(invoice), {"amounts": [1, 2]})
    assert refused.value.code == "payment_method_microdeposit_verification_amounts_mismatch"
    assert intents.verify_microdeposits(intent_of(invoice), {"amounts": [32, 45]}).status == "processing"
    assert sandbox.settle(intent_of(invoice))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"amounts": [10, 11]}, "payment_method_microdeposit_verification_attempts_exceeded"),
        ({"descriptor_code": "SM44DD"}, "payment_method_microdeposit_verification_timeout"),
    ],
)
def test_hopeless_verification_asks_for_another_method(
    api: Api, client: stripe_sdk.StripeClient, answer: dict[str, Any], code: str
) -> None:
    invoice = make_open(client)
    debit(api, invoice, account_number="000123456789", routing_number="110000000")
    reply = api.post(f"/v1/payment_intents/{intent_of(invoice)}/verify_microdeposits", answer)
    assert (reply.status, reply.error["code"]) == (400, code)
    intent = client.v1.payment_intents.retrieve(intent_of(invoice))
    assert (intent.status, intent.last_payment_error is not None) == ("requires_payment_method", True)
