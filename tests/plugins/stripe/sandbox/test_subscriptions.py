"""Planted subscriptions: listed, read, labelled, and nothing else."""

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


def test_metadata_changes_and_everything_else_is_not_simulated(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient, api: Api
) -> None:
    (planted,) = plant(sandbox)
    path = f"/v1/subscriptions/{planted['id']}"
    client.v1.subscriptions.update(planted["id"], {"metadata": {"a": "1", "b": "2"}})
    changed = client.v1.subscriptions.update(planted["id"], {"metadata": {"a": ""}})
    assert changed.metadata.to_dict() == {"b": "2"}
    event = client.v1.events.list().data[0]
    assert (event.type, event.data.object["id"]) == ("customer.subscription.updated", planted["id"])
    assert api.post(path, {"cancel_at_period_end": True}).status == 501
    assert api.call("DELETE", path).status == 501
    assert api.post("/v1/subscriptions", {"customer": planted["customer"]}).status == 501


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
