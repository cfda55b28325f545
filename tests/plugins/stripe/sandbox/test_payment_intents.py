from __future__ import annotations

from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.keys import WORLDS
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import card_data, make_customer
from tests.plugins.stripe.sandbox.raw import DAHLIA, Api

DECLINES = [
    ("pm_card_visa_chargeDeclined", ("card_declined", "generic_decline", "try_again_later")),
    (
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        ("card_declined", "insufficient_funds", "try_again_later"),
    ),
    ("pm_card_visa_chargeDeclinedLostCard", ("card_declined", "lost_card", "do_not_try_again")),
    ("pm_card_visa_chargeDeclinedStolenCard", ("card_declined", "stolen_card", "do_not_try_again")),
    ("pm_card_chargeDeclinedExpiredCard", ("expired_card", "expired_card", "do_not_try_again")),
    ("pm_card_chargeDeclinedIncorrectCvc", ("incorrect_cvc", "incorrect_cvc", "confirm_card_data")),
    ("pm_card_chargeDeclinedProcessingError", ("processing_error", "processing_error", "try_again_later")),
    ("pm_card_chargeCustomerFail", ("card_declined", "generic_decline", "try_again_later")),
]


def confirmed(client: stripe_sdk.StripeClient, method: str, **more: Any) -> stripe_sdk.PaymentIntent:
    params: Any = {"amount": 2500, "currency": "usd", "payment_method": method, "confirm": True, **more}
    return client.v1.payment_intents.create(params)


def test_visa_succeeds_with_a_charge(client: stripe_sdk.StripeClient) -> None:
    intent = confirmed(client, "pm_card_visa")
    assert (intent.status, intent.amount_received) == ("succeeded", 2500)
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.status, charge.paid, charge.captured) == ("succeeded", True, True)
    assert charge.outcome is not None
    assert charge.outcome.type == "authorized"
    assert charge.payment_method_details is not None
    assert charge.payment_method_details.card is not None
    assert charge.payment_method_details.card.last4 == "4242"


def test_balance_transaction_comes_a_moment_after_an_automatic_charge(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox
) -> None:
    intent = confirmed(client, "pm_card_visa")
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert charge.balance_transaction is None
    sandbox.advance(2)
    charge = client.v1.charges.retrieve(charge.id, {"expand": ["balance_transaction"]})
    booked = charge.balance_transaction
    assert isinstance(booked, stripe_sdk.BalanceTransaction)
    assert (booked.amount, booked.fee, booked.net) == (2500, 103, 2397)
    assert client.v1.balance.retrieve().pending[0].amount == 2397


@pytest.mark.parametrize(("method", "expected"), DECLINES)
def test_decline_says_why_and_keeps_the_attempt(
    client: stripe_sdk.StripeClient, method: str, expected: tuple[str, str, str]
) -> None:
    code, decline_code, advice = expected
    with pytest.raises(stripe_sdk.CardError) as refused:
        confirmed(client, method)
    error = refused.value.error
    assert error is not None
    assert (refused.value.http_status, error.code, error.decline_code) == (402, code, decline_code)
    assert refused.value.json_body["error"]["advice_code"] == advice  # type: ignore[index] # plain JSON
    intent = client.v1.payment_intents.list().data[0]
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.decline_code == decline_code
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.status, charge.failure_code) == ("failed", code)


def test_update_after_a_decline_clears_the_error(client: stripe_sdk.StripeClient) -> None:
    with pytest.raises(stripe_sdk.CardError):
        confirmed(client, "pm_card_visa_chargeDeclined")
    intent = client.v1.payment_intents.list().data[0]
    intent = client.v1.payment_intents.update(intent.id, {"amount": 3000})
    assert (intent.last_payment_error, intent.amount) == (None, 3000)
    paid = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert paid.status == "succeeded"
    assert len(client.v1.charges.list({"payment_intent": intent.id}).data) == 2


def test_manual_capture_takes_a_part_and_releases_the_rest(client: stripe_sdk.StripeClient) -> None:
    intent = confirmed(client, "pm_card_visa", capture_method="manual")
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 2500)
    assert (charge.status, charge.paid, charge.captured) == ("succeeded", True, False)
    intent = client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 2000})
    charge = client.v1.charges.retrieve(charge.id)
    assert (intent.status, intent.amount_received, charge.amount_captured) == ("succeeded", 2000, 2000)


def test_canceled_intent_cannot_be_confirmed(client: stripe_sdk.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 500, "currency": "usd"})
    canceled = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe_sdk.InvalidRequestError) as refused:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert refused.value.code == "payment_intent_unexpected_state"
    assert refused.value.json_body["error"]["payment_intent"]["id"] == intent.id  # type: ignore[index] # plain JSON


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": 500}, "parameter_missing", "currency"),
        ({"amount": 10, "currency": "usd"}, "amount_too_small", "amount"),
        ({"amount": 100_000_000, "currency": "usd"}, "amount_too_large", "amount"),
        ({"amount": "ten", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 500, "currency": "usd", "customer": "cus_x"}, "resource_missing", "customer"),
        ({"amount": 500, "currency": "usd", "payment_method": "pm_x"}, "resource_missing", "payment_method"),
    ],
)
def test_wrong_parameters_are_named(api: Api, params: dict[str, Any], code: str, param: str) -> None:
    reply = api.post("/v1/payment_intents", params)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, code, param)
    assert reply.error["request_log_url"].startswith(
        "https://dashboard.stripe.com/acct_1SandboxAccountA/test/"
    )


def test_payment_method_types_ended_with_endive(api: Api) -> None:
    params = {"amount": 500, "currency": "usd", "payment_method_types": ["card"]}
    old = api.post("/v1/payment_intents", params, headers={"Stripe-Version": DAHLIA})
    assert (old.status, old.body["payment_method_types"]) == (200, ["card"])
    new = api.post("/v1/payment_intents", params)
    assert (new.status, new.error["code"]) == (400, "payment_method_types_no_longer_supported")
    allowed = {"amount": 500, "currency": "usd", "allowed_payment_method_types": ["card"]}
    assert api.post("/v1/payment_intents", allowed).body["payment_method_types"] == ["card"]


def test_browser_confirms_with_its_client_secret_only(api: Api, client: stripe_sdk.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 500, "currency": "usd"})
    path, secret = f"/v1/payment_intents/{intent.id}", {"client_secret": intent.client_secret}
    assert api.browse("GET", path, {}).status == 400
    assert api.browse("GET", path, {"client_secret": f"{intent.id}_secret_guess"}).status == 400
    seen = api.browse("GET", path, secret).body
    assert seen["status"] == "requires_payment_method"
    assert "metadata" not in seen
    assert "latest_charge" not in seen
    declined = api.browse("POST", f"{path}/confirm", {**secret, **card_data("4000000000000002")})
    assert (declined.status, declined.error["decline_code"]) == (402, "generic_decline")
    assert "metadata" not in declined.error["payment_intent"]
    wrong = api.browse("POST", f"{path}/confirm", {**secret, **card_data("4242424242424241")})
    assert (wrong.status, wrong.error["code"]) == (402, "incorrect_number")
    paid = api.browse("POST", f"{path}/confirm", {**secret, **card_data("4242 4242 4242 4242")})
    assert (paid.status, paid.body["status"]) == (200, "succeeded")


def test_unattached_method_works_once(client: stripe_sdk.StripeClient) -> None:
    visa = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    confirmed(client, visa.id)
    with pytest.raises(stripe_sdk.InvalidRequestError, match="may not be used again"):
        confirmed(client, visa.id)


def test_setup_future_usage_saves_the_method(client: stripe_sdk.StripeClient) -> None:
    ada = make_customer(client)
    intent = confirmed(client, "pm_card_visa", customer=ada.id, setup_future_usage="off_session")
    saved = client.v1.customers.payment_methods.list(ada.id).data
    assert [m.id for m in saved] == [intent.payment_method]
    again = confirmed(client, saved[0].id, customer=ada.id, off_session=True)
    assert again.status == "succeeded"


def test_test_cards_do_not_exist_in_live_mode(api: Api) -> None:
    live = next(w for w in WORLDS if w.name == "a-live")
    params = {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa"}
    assert api.post("/v1/payment_intents", params, key=live.secret_key).error["code"] == "resource_missing"
