"""3-D Secure, as the browser and as a redirect."""

from __future__ import annotations

import http.client
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import card_data, intent_of, make_customer, make_open, secret_of
from tests.plugins.stripe.sandbox.raw import Api, Reply

ALWAYS, ONCE, THEN_DECLINED = "4000002760003184", "4000002500003155", "4000008260003178"


def confirm(api: Api, invoice: stripe_sdk.Invoice, number: str, **more: object) -> Reply:
    params = {"client_secret": secret_of(invoice), **card_data(number), **more}
    return api.browse("POST", f"/v1/payment_intents/{intent_of(invoice)}/confirm", params)


def authenticate(api: Api, invoice: stripe_sdk.Invoice, outcome: str) -> Reply:
    params = {"client_secret": secret_of(invoice), "outcome": outcome}
    return api.browse("POST", f"/v1/payment_intents/{intent_of(invoice)}/_sandbox_authenticate", params)


def test_passed_challenge_pays(api: Api, client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    asked = confirm(api, invoice, ALWAYS, use_stripe_sdk="true", return_url="http://127.0.0.1/back").body
    assert (asked["status"], asked["next_action"]["type"]) == ("requires_action", "use_stripe_sdk")
    assert client.v1.charges.list().data == []
    assert authenticate(api, invoice, "pass").body["status"] == "succeeded"
    charge = client.v1.charges.list().data[0].to_dict()
    assert charge["payment_method_details"]["card"]["three_d_secure"]["result"] == "authenticated"
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_failed_challenge_asks_for_another_method(api: Api, client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    confirm(api, invoice, ALWAYS, use_stripe_sdk="true")
    failed = authenticate(api, invoice, "fail").body
    assert failed["status"] == "requires_payment_method"
    assert failed["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    assert confirm(api, invoice, "4242424242424242").body["status"] == "succeeded"


def test_passed_challenge_may_still_be_declined(api: Api, client: stripe_sdk.StripeClient) -> None:
    invoice = make_open(client)
    confirm(api, invoice, THEN_DECLINED, use_stripe_sdk="true")
    declined = authenticate(api, invoice, "pass")
    assert (declined.status, declined.error["decline_code"]) == (402, "insufficient_funds")


def test_redirect_page_leads_back_with_the_outcome(
    api: Api, client: stripe_sdk.StripeClient, sandbox: RunningSandbox
) -> None:
    invoice = make_open(client)
    action = confirm(api, invoice, ALWAYS, return_url="http://127.0.0.1/back?a=1").body["next_action"]
    page = urlsplit(action["redirect_to_url"]["url"])
    shown = api.get(f"{page.path}?{page.query}")
    assert "Complete" in shown.body
    assert api.get(f"{page.path}?token=guess").status == 404
    form = urlencode({"token": parse_qs(page.query)["token"][0], "outcome": "pass"})
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)
    connection.request("POST", page.path, form, {"Content-Type": "application/x-www-form-urlencoded"})
    reply = connection.getresponse()
    back = urlsplit(reply.getheader("location") or "")
    connection.close()
    assert (reply.status, back.path) == (303, "/back")
    query = {k: v[0] for k, v in parse_qs(back.query).items()}
    assert query == {
        "a": "1",
        "payment_intent": intent_of(invoice),
        "payment_intent_client_secret": secret_of(invoice),
        "redirect_status": "succeeded",
    }
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_off_session_refusal_makes_no_charge(client: stripe_sdk.StripeClient) -> None:
    ada = make_customer(client)
    method = client.v1.payment_methods.attach("pm_card_authenticationRequired", {"customer": ada.id})
    with pytest.raises(stripe_sdk.CardError) as refused:
        client.v1.payment_intents.create(
            {
                "amount": 900,
                "currency": "usd",
                "customer": ada.id,
                "payment_method": method.id,
                "confirm": True,
                "off_session": True,
            }
        )
    assert refused.value.code == "authentication_required"
    assert client.v1.charges.list().data == []


def test_card_set_up_once_is_not_asked_again_off_session(api: Api, client: stripe_sdk.StripeClient) -> None:
    ada = make_customer(client)
    setup = client.v1.setup_intents.create({"customer": ada.id})
    secret = {"client_secret": setup.client_secret}
    path = f"/v1/setup_intents/{setup.id}"
    asked = api.browse("POST", f"{path}/confirm", {**secret, **card_data(ONCE), "use_stripe_sdk": "true"})
    assert asked.body["status"] == "requires_action"
    done = api.browse("POST", f"{path}/_sandbox_authenticate", {**secret, "outcome": "pass"})
    assert done.body["status"] == "succeeded"
    paid = client.v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "usd",
            "customer": ada.id,
            "payment_method": done.body["payment_method"],
            "confirm": True,
            "off_session": True,
        }
    )
    assert paid.status == "succeeded"
