"""Products, prices, domains, configurations, tokens, sessions, clocks."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
import stripe as stripe_sdk

from tests.plugins.stripe.sandbox.raw import Api


def test_product_comes_with_its_default_price(client: stripe_sdk.StripeClient) -> None:
    product = client.v1.products.create(
        {
            "name": "Plan",
            "default_price_data": {"currency": "usd", "unit_amount": 900, "recurring": {"interval": "month"}},
        }
    )
    price = client.v1.prices.retrieve(str(product.default_price))
    assert (price.product, price.type, price.unit_amount) == (product.id, "recurring", 900)
    assert [p.id for p in client.v1.prices.list({"product": product.id}).data] == [price.id]
    with pytest.raises(stripe_sdk.InvalidRequestError, match="user-created prices"):
        client.v1.products.delete(product.id)


def test_lookup_key_moves_only_when_told(client: stripe_sdk.StripeClient) -> None:
    product = client.v1.products.create({"name": "Plan"})
    base: Any = {"product": product.id, "currency": "usd", "unit_amount": 900, "lookup_key": "basic"}
    moved: Any = {**base, "transfer_lookup_key": True}
    first = client.v1.prices.create(base)
    with pytest.raises(stripe_sdk.InvalidRequestError):
        client.v1.prices.create(base)
    second = client.v1.prices.create(moved)
    assert client.v1.prices.retrieve(first.id).lookup_key is None
    assert [p.id for p in client.v1.prices.list({"lookup_keys": ["basic"]}).data] == [second.id]


def test_fractions_of_a_cent_stay_exact(client: stripe_sdk.StripeClient) -> None:
    product = client.v1.products.create({"name": "Plan"})
    price = client.v1.prices.create(
        {"product": product.id, "currency": "usd", "unit_amount_decimal": Decimal("0.75")}
    )
    assert (price.unit_amount, price.unit_amount_decimal) == (None, Decimal("0.75"))


def test_domain_is_active_when_public(client: stripe_sdk.StripeClient) -> None:
    domains = client.v1.payment_method_domains
    shop = domains.create({"domain_name": "shop.example.com"})
    assert (shop.enabled, shop.apple_pay.status) == (True, "active")
    assert domains.create({"domain_name": "shop.example.com"}).id == shop.id
    local = domains.create({"domain_name": "127.0.0.1"})
    assert local.apple_pay.status == "inactive"
    assert domains.validate(local.id).google_pay.status == "inactive"
    assert domains.update(shop.id, {"enabled": False}).enabled is False
    with pytest.raises(stripe_sdk.InvalidRequestError):
        domains.create({"domain_name": "https://shop.example.com/pay"})


def test_configuration_tells_which_methods_are_on(client: stripe_sdk.StripeClient) -> None:
    configuration = client.v1.payment_method_configurations.list().data[0].to_dict()
    assert configuration["card"]["available"] is True
    assert configuration["us_bank_account"]["available"] is True
    assert configuration["klarna"]["available"] is False


def test_token_works_once(client: stripe_sdk.StripeClient, api: Api) -> None:
    card: Any = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2034", "cvc": "123"}
    token = client.v1.tokens.create({"card": card})
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": token.id}})
    assert method.card is not None
    assert (method.card.last4, method.card.exp_year) == ("4242", 2034)
    again = api.post("/v1/payment_methods", {"type": "card", "card": {"token": token.id}})
    assert again.error["code"] == "token_already_used"


def test_customer_session_has_a_secret_for_half_an_hour(client: stripe_sdk.StripeClient) -> None:
    ada = client.v1.customers.create({"name": "Ada"})
    session = client.v1.customer_sessions.create(
        {"customer": ada.id, "components": {"payment_element": {"enabled": True}}}
    )
    assert session.client_secret.startswith("cuss_secret_")
    assert session.expires_at - session.created == 1800


def test_customers_on_a_clock_live_in_its_time(client: stripe_sdk.StripeClient) -> None:
    frozen = int(time.time()) - 86400 * 365
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": frozen, "name": "Year"})
    ada = client.v1.customers.create({"name": "Ada", "test_clock": clock.id})
    assert ada.created == frozen
    assert client.v1.customers.list().data == []
    assert [c.id for c in client.v1.customers.list({"test_clock": clock.id}).data] == [ada.id]
    advancing = client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": frozen + 86400})
    assert advancing.status == "advancing"
    assert client.v1.test_helpers.test_clocks.retrieve(clock.id).status == "ready"
    assert client.v1.invoices.create({"customer": ada.id}).created == frozen + 86400
    client.v1.test_helpers.test_clocks.delete(clock.id)
    assert client.v1.customers.retrieve(ada.id).deleted is True


def test_browser_files_are_served_with_their_types(api: Api) -> None:
    script = api.get("/_sandbox/stripe.js", key=None)
    assert (script.status, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert script.headers["access-control-allow-origin"] == "*"
    assert api.get("/_sandbox/elements/payment-element.html", key=None).status == 200
    assert api.get("/_sandbox/elements/../api.py", key=None).status == 404
