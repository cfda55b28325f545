"""Subscriptions: planted ones are listed; made ones have a life from the first invoice to the end."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.keys import WORLDS
from plugins.stripe.sandbox.objects.subscriptions import STATUSES
from plugins.stripe.sandbox.spec.shapes import object_problems
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import make_customer
from tests.plugins.stripe.sandbox.raw import DAHLIA, Api
from tests.plugins.stripe.sandbox.test_recordings import FOLDER


def plant(sandbox: RunningSandbox, count: int = 1, **more: Any) -> list[dict[str, Any]]:
    planted: list[dict[str, Any]] = sandbox.control("POST", "/subscriptions", {"count": count, **more})[
        "data"
    ]
    return planted


def listed(client: stripe_sdk.StripeClient, **params: Any) -> list[str]:
    given: Any = params
    return [s.id for s in client.v1.subscriptions.list(given).data]


def test_planted_subscriptions_are_listed_newest_first(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient
) -> None:
    assert listed(client, status="active") == []
    planted = plant(sandbox, 3)
    assert listed(client, status="active", limit=100) == [s["id"] for s in reversed(planted)]
    assert client.v1.events.list().data == []
    first = client.v1.subscriptions.list({"limit": 2})
    assert (len(first.data), first.has_more) == (2, True)
    assert listed(client, starting_after=first.data[-1].id) == [planted[0]["id"]]
    assert [s.id for s in first.auto_paging_iter()] == [s["id"] for s in reversed(planted)]


def test_each_status_is_found_by_its_filter(sandbox: RunningSandbox, client: stripe_sdk.StripeClient) -> None:
    ids = {status: plant(sandbox, status=status)[0]["id"] for status in STATUSES}
    for status, planted in ids.items():
        assert listed(client, status=status) == [planted]
    assert set(listed(client, status="all")) == set(ids.values())
    assert set(listed(client, status="ended")) == {ids["canceled"], ids["incomplete_expired"]}
    assert set(listed(client)) == set(ids.values()) - {ids["canceled"]}


@pytest.mark.parametrize("status", STATUSES)
def test_planted_subscriptions_have_the_recorded_fields_and_types(
    sandbox: RunningSandbox, api: Api, status: str
) -> None:
    expected = json.loads((FOLDER / "fields.json").read_text())
    (planted,) = plant(sandbox, status=status)
    body = api.get(f"/v1/subscriptions/{planted['id']}", headers={"Stripe-Version": DAHLIA}).body
    assert object_problems(body) == []
    assert set(body) - {"status_details"} == set(expected["subscription"])
    assert ("status_details" in body) is (status == "paused")
    (item,) = body["items"]["data"]
    assert set(item) == set(expected["subscription_item"])
    assert set(body["plan"]) == set(expected["plan"])
    assert api.get(f"/v1/prices/{item['price']['id']}").body == item["price"]
    assert item["subscription"] == body["id"]


def test_planting_is_for_one_world_and_may_name_the_customer(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient, api: Api
) -> None:
    live = next(world for world in WORLDS if world.name == "a-live")
    (away,) = plant(sandbox, world="a-live")
    assert away["livemode"] is True
    assert listed(client) == []
    assert api.get("/v1/subscriptions", key=live.secret_key).body["data"][0]["id"] == away["id"]
    ada = make_customer(client)
    plant(sandbox)
    (hers,) = plant(sandbox, customer=ada.id)
    assert listed(client, customer=ada.id) == [hers["id"]]
    expanded = api.get(f"/v1/customers/{ada.id}", {"expand": ["subscriptions"]}).body
    assert [s["id"] for s in expanded["subscriptions"]["data"]] == [hers["id"]]


def test_metadata_changes_and_what_is_not_simulated_says_so(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient, api: Api
) -> None:
    (planted,) = plant(sandbox)
    path = f"/v1/subscriptions/{planted['id']}"
    client.v1.subscriptions.update(planted["id"], {"metadata": {"a": "1", "b": "2"}})
    changed = client.v1.subscriptions.update(planted["id"], {"metadata": {"a": ""}})
    assert changed.metadata.to_dict() == {"b": "2"}
    event = client.v1.events.list().data[0]
    assert (event.type, event.data.object["id"]) == ("customer.subscription.updated", planted["id"])
    assert api.post(path, {"discounts": [{"coupon": "x"}]}).status == 501
    assert api.post("/v1/subscriptions", {"customer": planted["customer"]}).error["param"] == "items"
    item = {"price": planted["items"]["data"][0]["price"]["id"]}
    careful = {"customer": planted["customer"], "items": [item], "payment_behavior": "error_if_incomplete"}
    assert api.post("/v1/subscriptions", careful).status == 501


def test_unknown_subscriptions_are_missing(api: Api) -> None:
    for reply in (api.get("/v1/subscriptions/sub_x"), api.post("/v1/subscriptions/sub_x", {"metadata": {}})):
        assert (reply.status, reply.error["code"]) == (404, "resource_missing")
        assert reply.error["message"] == "No such subscription: 'sub_x'"


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": 501}, {"status": "dead"}, {"customer": "cus_x"}])
def test_what_cannot_be_planted_is_refused(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient, wrong: dict[str, Any]
) -> None:
    with pytest.raises(RuntimeError, match="400"):
        sandbox.control("POST", "/subscriptions", wrong)
    assert listed(client, status="all") == []


def monthly(client: stripe_sdk.StripeClient, amount: int = 2000) -> str:
    recurring = {"interval": "month"}
    given: Any = {
        "currency": "usd",
        "unit_amount": amount,
        "recurring": recurring,
        "product_data": {"name": "Care"},
    }
    return client.v1.prices.create(given).id


def payer(client: stripe_sdk.StripeClient) -> str:
    customer = make_customer(client).id
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
    return customer


def told(client: stripe_sdk.StripeClient, about: str) -> list[str]:
    events = client.v1.events.list({"limit": 100}).data
    return [event.type for event in reversed(events) if event.data.object["id"] == about]


def test_a_subscription_bills_its_first_period_and_runs_when_that_is_paid(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient, api: Api
) -> None:
    customer, price = payer(client), monthly(client)
    made = client.v1.subscriptions.create({"customer": customer, "items": [{"price": price, "quantity": 3}]})
    assert made.status == "active"
    invoice = api.get(f"/v1/invoices/{made.latest_invoice}").body
    assert (invoice["status"], invoice["total"], invoice["billing_reason"]) == (
        "paid",
        6000,
        "subscription_create",
    )
    assert invoice["parent"]["subscription_details"]["subscription"] == made.id
    assert object_problems(invoice) == []
    assert object_problems(api.get(f"/v1/subscriptions/{made.id}").body) == []
    assert told(client, made.id) == ["customer.subscription.created", "customer.subscription.updated"]
    assert [i.id for i in client.v1.invoices.list({"subscription": made.id}).data] == [invoice["id"]]


def test_an_unpaid_first_invoice_leaves_it_incomplete(client: stripe_sdk.StripeClient) -> None:
    customer, price = payer(client), monthly(client)
    made = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": price}], "payment_behavior": "default_incomplete"}
    )
    assert made.status == "incomplete"
    client.v1.invoices.pay(str(made.latest_invoice), {"payment_method": "pm_card_visa"})
    assert client.v1.subscriptions.retrieve(made.id).status == "active"


def test_a_trial_and_a_sent_invoice_run_at_once(client: stripe_sdk.StripeClient) -> None:
    customer, price = payer(client), monthly(client)
    items: Any = [{"price": price}]
    trial = client.v1.subscriptions.create({"customer": customer, "items": items, "trial_period_days": 7})
    sent = client.v1.subscriptions.create(
        {"customer": customer, "items": items, "collection_method": "send_invoice", "days_until_due": 5}
    )
    assert (trial.status, sent.status) == ("trialing", "active")
    first, second = (client.v1.invoices.retrieve(str(s.latest_invoice)) for s in (trial, sent))
    assert (first.status, first.total, second.status) == ("paid", 0, "draft")


def test_its_items_end_and_collection_can_be_changed(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient
) -> None:
    made = client.v1.subscriptions.create(
        {"customer": payer(client), "items": [{"price": monthly(client)}], "metadata": {"a": "1"}}
    )
    item = client.v1.subscription_items.list({"subscription": made.id}).data[0]
    larger = monthly(client, 5000)
    changed = client.v1.subscriptions.update(
        made.id, {"items": [{"id": item.id, "price": larger, "quantity": 2}], "metadata": {"b": "2"}}
    )
    assert [(i.price.id, i.quantity) for i in changed["items"].data] == [(larger, 2)]
    assert dict(changed.metadata.to_dict()) == {"a": "1", "b": "2"}
    held = client.v1.subscriptions.update(made.id, {"pause_collection": {"behavior": "void"}})
    assert held.pause_collection is not None
    assert client.v1.subscriptions.update(made.id, {"pause_collection": ""}).pause_collection is None
    ending = client.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    assert ending.cancel_at == changed["items"].data[0].current_period_end
    assert client.v1.subscriptions.update(made.id, {"cancel_at_period_end": False}).cancel_at is None
    client.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    sandbox.advance(31 * 86400)
    assert client.v1.subscriptions.retrieve(made.id).status == "canceled"
    assert told(client, made.id)[-1] == "customer.subscription.deleted"


def test_it_is_paused_resumed_and_ends_with_its_customer(client: stripe_sdk.StripeClient, api: Api) -> None:
    customer = payer(client)
    made = client.v1.subscriptions.create({"customer": customer, "items": [{"price": monthly(client)}]})
    paused = client.v1.subscriptions.pause(made.id, {})
    assert object_problems(api.get(f"/v1/subscriptions/{made.id}").body) == []
    assert (paused.status, client.v1.subscriptions.resume(made.id).status) == ("paused", "active")
    client.v1.customers.delete(customer)
    assert client.v1.subscriptions.retrieve(made.id).status == "canceled"
    assert told(client, made.id)[-5:] == [
        "customer.subscription.paused",
        "customer.subscription.updated",
        "customer.subscription.resumed",
        "customer.subscription.updated",
        "customer.subscription.deleted",
    ]


def test_four_levels_are_expanded_and_a_list_is_one_of_them(
    client: stripe_sdk.StripeClient, api: Api
) -> None:
    made = client.v1.subscriptions.create({"customer": payer(client), "items": [{"price": monthly(client)}]})
    body = api.get(f"/v1/subscriptions/{made.id}", {"expand": ["items.data.price.product"]}).body
    assert body["items"]["data"][0]["price"]["product"]["name"] == "Care"
    refused = api.get("/v1/subscriptions", {"expand": ["data.items.data.price.product"]})
    assert (refused.status, "more than 4 levels" in refused.error["message"]) == (400, True)
