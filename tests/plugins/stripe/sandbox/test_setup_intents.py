from __future__ import annotations

from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.keys import WORLDS
from tests.plugins.stripe.sandbox.builders import make_customer
from tests.plugins.stripe.sandbox.raw import Api

ACCOUNT = {
    "account_holder_type": "individual",
    "account_number": "000123456789",
    "routing_number": "110000000",
}
HOLDER = {"name": "Ada", "email": "ada@example.com"}
SLOWLY = {"us_bank_account": {"verification_method": "microdeposits"}}


def test_confirmed_setup_saves_the_method(client: stripe_sdk.StripeClient) -> None:
    ada = make_customer(client)
    setup = client.v1.setup_intents.create(
        {"customer": ada.id, "payment_method": "pm_card_visa", "confirm": True}
    )
    assert setup.status == "succeeded"
    saved = client.v1.payment_methods.list({"customer": ada.id, "type": "card"}).data
    assert [m.id for m in saved] == [setup.payment_method]
    assert len(client.v1.setup_attempts.list({"setup_intent": setup.id}).data) == 1


def test_declined_setup_says_why(client: stripe_sdk.StripeClient) -> None:
    with pytest.raises(stripe_sdk.CardError) as refused:
        client.v1.setup_intents.create({"payment_method": "pm_card_visa_chargeDeclined", "confirm": True})
    assert refused.value.code == "card_declined"
    setup = client.v1.setup_intents.list().data[0]
    assert (setup.status, setup.last_setup_error is not None) == ("requires_payment_method", True)


def test_a_typed_bank_account_waits_for_its_small_deposits(api: Api, client: stripe_sdk.StripeClient) -> None:
    ada = make_customer(client)
    setup = client.v1.setup_intents.create({"customer": ada.id, "usage": "off_session"})
    typed = {"type": "us_bank_account", "us_bank_account": ACCOUNT, "billing_details": HOLDER}
    sent: Any = {"client_secret": setup.client_secret, "return_url": "http://x.example/"}
    sent |= {"payment_method_data": typed, "payment_method_options": SLOWLY}
    asked = api.browse("POST", f"/v1/setup_intents/{setup.id}/confirm", sent)
    assert (asked.status, asked.body["status"]) == (200, "requires_action")
    kept = client.v1.setup_intents.retrieve(setup.id).payment_method_options
    assert kept
    assert kept.us_bank_account
    assert kept.us_bank_account.verification_method == "microdeposits"
    assert client.v1.setup_intents.verify_microdeposits(setup.id, {"amounts": [32, 45]}).status == "succeeded"


def test_canceled_setup_is_final(client: stripe_sdk.StripeClient) -> None:
    setup = client.v1.setup_intents.create({"usage": "off_session"})
    assert client.v1.setup_intents.cancel(setup.id).status == "canceled"
    with pytest.raises(stripe_sdk.InvalidRequestError) as refused:
        client.v1.setup_intents.confirm(setup.id, {"payment_method": "pm_card_visa"})
    assert refused.value.code == "setup_intent_unexpected_state"


def test_setup_intent_proves_that_keys_belong_together(api: Api, client: stripe_sdk.StripeClient) -> None:
    setup = client.v1.setup_intents.create({"usage": "off_session"})
    path = f"/v1/setup_intents/{setup.id}"
    for world in WORLDS:
        params = {"client_secret": setup.client_secret}
        reply = api.get(path, params, key=world.publishable_key)
        assert reply.status == (200 if world.name == "a-test" else 404)
