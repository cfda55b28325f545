"""Reading events with a restricted key, and how many deliveries of one are still to come."""

from __future__ import annotations

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import make_customer
from tests.plugins.stripe.sandbox.conftest import client_with
from tests.plugins.stripe.sandbox.raw import Api
from tests.plugins.stripe.sandbox.receivers import Receiver, receiver


@pytest.fixture
def reader(sandbox: RunningSandbox) -> str:
    """A key that reads events and nothing else."""
    return str(sandbox.control("POST", "/keys", {"permissions": ["rak_event_read"]})["key"])


def pending(client: stripe_sdk.StripeClient, event: str) -> int:
    return client.v1.events.retrieve(event).pending_webhooks


def test_a_key_for_events_reads_one_and_all_of_them(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, reader: str
) -> None:
    ada = make_customer(client)
    limited = client_with(sandbox, reader)
    (listed,) = limited.v1.events.list().data
    assert limited.v1.events.retrieve(listed.id).data.object["id"] == ada.id
    with pytest.raises(stripe_sdk.PermissionError):
        limited.v1.customers.retrieve(ada.id)


def test_without_its_right_no_event_is_read(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, api: Api
) -> None:
    make_customer(client)
    (event,) = client.v1.events.list().data
    other = sandbox.control("POST", "/keys", {"permissions": ["rak_customer_read"]})["key"]
    for path in ("/v1/events", f"/v1/events/{event.id}", "/v1/events/evt_x"):
        refused = api.get(path, key=other)
        assert (refused.status, refused.error["code"]) == (403, "more_permissions_required")
        assert "'rak_event_read'" in refused.error["message"]


def test_events_are_filtered_by_type_types_and_time(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, api: Api, reader: str
) -> None:
    make_customer(client)
    sandbox.advance(3600)
    client.v1.products.create({"name": "Desk"})
    client.v1.prices.create({"currency": "usd", "unit_amount": 900, "product_data": {"name": "Chair"}})

    def types(**params: object) -> list[str]:
        return [e["type"] for e in api.get("/v1/events", dict(params), key=reader).body["data"]]

    assert types(type="customer.created") == ["customer.created"]
    assert types(type="product.*") == ["product.created", "product.created"]
    assert types(types=["price.created", "customer.created"]) == ["price.created", "customer.created"]
    newest = api.get("/v1/events", key=reader).body["data"][0]["created"]
    assert types(created={"lt": newest - 1800}) == ["customer.created"]
    assert "customer.created" not in types(created={"gte": newest - 1800})
    assert types(types=["customer.created"], created={"gte": newest - 1800}) == []
    assert api.get("/v1/events", {"type": "a", "types": ["b"]}, key=reader).status == 400


def test_pending_webhooks_count_down_with_each_delivery_that_succeeds(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver
) -> None:
    sandbox.deliver(hold=True, retry_seconds=[])
    with receiver() as failing:
        failing.statuses = [500]
        for box in (inbox, failing):
            client.v1.webhook_endpoints.create({"url": box.url, "enabled_events": ["*"]})
        make_customer(client)
        (event,) = client.v1.events.list().data
        assert event.pending_webhooks == 2
        sandbox.deliver(hold=False)
        inbox.wait_for(lambda _box: len(states(sandbox) - {"pending"}) == 2)
        assert states(sandbox) == {"delivered", "failed"}
        assert pending(client, event.id) == 1
        assert client.v1.events.list({"delivery_success": False}).data[0].id == event.id


def states(sandbox: RunningSandbox) -> set[str]:
    return {d["state"] for d in sandbox.control("GET", "/deliveries")["data"]}


def test_a_delivery_that_succeeds_late_or_twice_counts_once(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver
) -> None:
    sandbox.deliver(retry_seconds=[0.05, 0.05], duplicate=2)
    inbox.statuses = [500, 500]
    client.v1.webhook_endpoints.create({"url": inbox.url, "enabled_events": ["*"]})
    make_customer(client)
    (event,) = client.v1.events.list().data
    inbox.wait_for(lambda box: len(box.deliveries) == 4)
    inbox.wait_for(lambda _box: pending(client, event.id) == 0)
    assert event.pending_webhooks <= 1
