from __future__ import annotations

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.spec.shapes import object_problems
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import make_customer
from tests.plugins.stripe.sandbox.raw import Api


def paid(client: stripe_sdk.StripeClient, method: str = "pm_card_visa") -> stripe_sdk.PaymentIntent:
    return client.v1.payment_intents.create(
        {"amount": 2500, "currency": "usd", "payment_method": method, "confirm": True}
    )


def types_of(client: stripe_sdk.StripeClient) -> list[str]:
    return [str(e.type) for e in client.v1.events.list({"limit": 100}).data][::-1]


def test_refunds_add_up_to_the_charge(client: stripe_sdk.StripeClient) -> None:
    intent = paid(client)
    refunds = client.v1.refunds
    first = refunds.create({"payment_intent": intent.id, "amount": 1000, "reason": "requested_by_customer"})
    assert (first.status, first.amount, first.charge) == ("succeeded", 1000, intent.latest_charge)
    with pytest.raises(stripe_sdk.InvalidRequestError) as refused:
        refunds.create({"payment_intent": intent.id, "amount": 2000})
    assert str(refused.value.user_message) == (
        "Refund amount ($20.00) is greater than unrefunded amount on charge ($15.00)"
    )
    refunds.create({"charge": str(intent.latest_charge)})
    charge = client.v1.charges.retrieve(str(intent.latest_charge), {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded) == (True, 2500)
    assert charge.refunds is not None
    assert [r.amount for r in charge.refunds.data] == [1500, 1000]
    with pytest.raises(stripe_sdk.InvalidRequestError) as refused:
        refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"
    assert [t for t in types_of(client) if "refund" in t] == ["refund.created", "charge.refunded"] * 2


def test_refund_that_fails_later_gives_the_amount_back(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox
) -> None:
    intent = paid(client, "pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    sandbox.advance(5)
    refund = client.v1.refunds.retrieve(refund.id)
    assert (refund.status, refund.failure_reason) == ("failed", "expired_or_canceled_card")
    assert client.v1.charges.retrieve(str(intent.latest_charge)).amount_refunded == 0
    assert "refund.failed" in types_of(client)


def test_unpaid_intent_cannot_be_refunded(client: stripe_sdk.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 2500, "currency": "usd"})
    with pytest.raises(stripe_sdk.InvalidRequestError, match="does not have a successful charge to refund"):
        client.v1.refunds.create({"payment_intent": intent.id})


def test_dispute_card_opens_a_dispute(client: stripe_sdk.StripeClient) -> None:
    intent = paid(client, "pm_card_createDispute")
    assert types_of(client)[1:] == [
        "charge.succeeded",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "payment_intent.succeeded",
    ]
    dispute = client.v1.disputes.list({"payment_intent": intent.id}).data[0]
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 2500)
    assert client.v1.charges.retrieve(str(intent.latest_charge)).disputed is True
    with pytest.raises(stripe_sdk.InvalidRequestError, match="has been charged back"):
        client.v1.refunds.create({"payment_intent": intent.id})
    closed = client.v1.disputes.close(dispute.id)
    assert closed.status == "lost"


@pytest.mark.parametrize(("said", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_evidence_decides(client: stripe_sdk.StripeClient, said: str, status: str) -> None:
    paid(client, "pm_card_createDispute")
    dispute = client.v1.disputes.list().data[0]
    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": said}})
    assert client.v1.disputes.retrieve(dispute.id).status == status
    assert "charge.dispute.closed" in types_of(client)


def test_inquiry_withdraws_nothing(client: stripe_sdk.StripeClient) -> None:
    paid(client, "pm_card_createDisputeInquiry")
    dispute = client.v1.disputes.list().data[0]
    assert (dispute.status, dispute.balance_transactions) == ("warning_needs_response", [])


def test_fraud_warning_follows_its_card(client: stripe_sdk.StripeClient) -> None:
    intent = paid(client, "pm_card_createIssuerFraudWarning")
    warnings = client.v1.radar.early_fraud_warnings.list({"payment_intent": intent.id}).data
    assert [w.charge for w in warnings] == [intent.latest_charge]
    assert types_of(client)[-1] == "radar.early_fraud_warning.created"


def test_a_credit_note_lets_less_be_owed_until_it_is_voided(
    client: stripe_sdk.StripeClient, api: Api
) -> None:
    customer = make_customer(client).id
    invoice = client.v1.invoices.create({"customer": customer, "currency": "usd"}).id
    client.v1.invoices.add_lines(invoice, {"lines": [{"description": "x", "amount": 900}]})
    client.v1.invoices.finalize_invoice(invoice)
    note = client.v1.credit_notes.create({"invoice": invoice, "amount": 400})
    assert object_problems(api.get(f"/v1/credit_notes/{note.id}").body) == []
    assert client.v1.invoices.retrieve(invoice).amount_remaining == 500
    client.v1.credit_notes.void_credit_note(note.id)
    assert client.v1.invoices.retrieve(invoice).amount_remaining == 900
    client.v1.credit_notes.create({"invoice": invoice, "amount": 900})
    assert client.v1.invoices.retrieve(invoice).status == "paid"
    assert len(client.v1.credit_notes.list({"invoice": invoice}).data) == 2
