from __future__ import annotations

import pytest
import stripe as stripe_sdk

from tests.plugins.stripe.sandbox.raw import Api


def test_customer_is_created_changed_found_and_deleted(client: stripe_sdk.StripeClient) -> None:
    customers = client.v1.customers
    ada = customers.create(
        {"email": "ada@example.com", "name": "Ada", "metadata": {"portal_id": "7", "x": "y"}}
    )
    customers.create({"email": "bob@example.com"})
    changed = customers.update(
        ada.id, {"name": "Ada L.", "metadata": {"x": ""}, "address": {"city": "London"}}
    )
    assert (changed.name, changed.metadata.to_dict() if changed.metadata else None) == (
        "Ada L.",
        {"portal_id": "7"},
    )
    assert changed.address is not None
    assert changed.address.city == "London"
    assert [c.id for c in customers.list({"email": "ada@example.com"})] == [ada.id]
    assert customers.list({"email": "ADA@example.com"}).data == []
    assert customers.delete(ada.id).deleted is True
    assert customers.retrieve(ada.id).deleted is True
    assert len(customers.list().data) == 1


def test_default_method_must_belong_to_the_customer(client: stripe_sdk.StripeClient) -> None:
    ada = client.v1.customers.create({"email": "ada@example.com"})
    visa = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    with pytest.raises(stripe_sdk.InvalidRequestError) as refused:
        client.v1.customers.update(ada.id, {"invoice_settings": {"default_payment_method": visa.id}})
    assert refused.value.param == "invoice_settings[default_payment_method]"
    client.v1.payment_methods.attach(visa.id, {"customer": ada.id})
    ada = client.v1.customers.update(ada.id, {"invoice_settings": {"default_payment_method": visa.id}})
    assert ada.to_dict()["invoice_settings"]["default_payment_method"] == visa.id


def test_wrong_email_is_refused(api: Api) -> None:
    reply = api.post("/v1/customers", {"email": "not an address"})
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "email_invalid", "email")


def test_detaching_the_default_method_clears_it(client: stripe_sdk.StripeClient) -> None:
    ada = client.v1.customers.create({"payment_method": "pm_card_visa"})
    method = client.v1.customers.payment_methods.list(ada.id).data[0]
    client.v1.customers.update(ada.id, {"invoice_settings": {"default_payment_method": method.id}})
    client.v1.payment_methods.detach(method.id)
    ada = client.v1.customers.retrieve(ada.id)
    assert ada.to_dict()["invoice_settings"]["default_payment_method"] is None
    with pytest.raises(stripe_sdk.InvalidRequestError, match="may not be used again"):
        client.v1.payment_methods.attach(method.id, {"customer": ada.id})
