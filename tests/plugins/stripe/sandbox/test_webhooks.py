"""Events and their deliveries, with a real receiver."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import make_customer
from tests.plugins.stripe.sandbox.raw import Api
from tests.plugins.stripe.sandbox.receivers import Receiver, receiver


def endpoint(client: stripe_sdk.StripeClient, inbox: Receiver, **more: Any) -> stripe_sdk.WebhookEndpoint:
    params: Any = {"url": inbox.url, "enabled_events": ["*"], **more}
    return client.v1.webhook_endpoints.create(params)


def test_signed_event_arrives_and_counts_as_delivered(
    client: stripe_sdk.StripeClient, inbox: Receiver
) -> None:
    made = endpoint(client, inbox, api_version="2026-10-28.endive")
    make_customer(client)
    inbox.wait_for(lambda box: len(box.deliveries) == 1)
    header, body = inbox.deliveries[0]
    event = stripe_sdk.Webhook.construct_event(body, header, str(made.secret))
    assert (event.type, event.api_version, event.livemode) == ("customer.created", "2026-10-28.endive", False)
    stored = client.v1.events.retrieve(event.id)
    assert stored.data.object["email"] == "ada@example.com"
    inbox.wait_for(lambda _box: client.v1.events.retrieve(event.id).pending_webhooks == 0)


def test_secret_is_told_once_and_endpoints_are_limited(
    client: stripe_sdk.StripeClient, inbox: Receiver
) -> None:
    made = endpoint(client, inbox)
    assert str(made.secret).startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(made.id)
    for _ in range(15):
        endpoint(client, inbox)
    with pytest.raises(stripe_sdk.InvalidRequestError, match="maximum of 16"):
        endpoint(client, inbox)


def test_only_enabled_events_of_enabled_endpoints_are_sent(
    client: stripe_sdk.StripeClient, inbox: Receiver
) -> None:
    made = endpoint(client, inbox, enabled_events=["product.created"])
    make_customer(client)
    client.v1.products.create({"name": "Desk"})
    inbox.wait_for(lambda box: len(box.deliveries) == 1)
    client.v1.webhook_endpoints.update(made.id, {"disabled": True})
    client.v1.products.create({"name": "Chair"})
    client.v1.webhook_endpoints.update(made.id, {"disabled": False})
    client.v1.products.create({"name": "Lamp"})
    inbox.wait_for(lambda box: len(box.deliveries) == 2)
    assert [e["data"]["object"]["name"] for e in inbox.events] == ["Desk", "Lamp"]


def test_failed_deliveries_are_repeated(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver
) -> None:
    sandbox.deliver(retry_seconds=[0.05, 0.05, 0.05])
    inbox.statuses = [500, 302, 404]
    endpoint(client, inbox)
    make_customer(client)
    inbox.wait_for(lambda box: len(box.deliveries) == 4)
    assert len({e["id"] for e in inbox.events}) == 1
    inbox.wait_for(lambda _box: sandbox.control("GET", "/deliveries")["data"][0]["state"] == "delivered")
    statuses = [a["status"] for a in sandbox.control("GET", "/deliveries")["data"][0]["attempts"]]
    assert statuses == [500, 302, 404, 200]


def test_slow_receiver_holds_up_nobody_else(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver
) -> None:
    with receiver() as slow:
        slow.pause_seconds = 1.0
        endpoint(client, slow)
        endpoint(client, inbox)
        for _ in range(5):
            make_customer(client)
        inbox.wait_for(lambda box: len(box.deliveries) == 5)
        assert sum(d["state"] == "pending" for d in sandbox.control("GET", "/deliveries")["data"]) > 0


def test_held_deliveries_come_shuffled_and_repeated(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver
) -> None:
    endpoint(client, inbox)
    sandbox.deliver(hold=True)
    for number in range(6):
        client.v1.customers.create({"name": str(number)})
    assert inbox.deliveries == []
    sandbox.deliver(hold=False, duplicate=2, shuffle=True, seed=7)
    inbox.wait_for(lambda box: len(box.deliveries) == 12)
    names = [e["data"]["object"]["name"] for e in inbox.events]
    assert sorted(names) == sorted([*"012345"] * 2)
    assert names != [n for n in "012345" for _ in range(2)]


def test_rolled_secret_signs_beside_the_old_one(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver
) -> None:
    made = endpoint(client, inbox)
    rolled = sandbox.control("POST", f"/webhook_endpoints/{made.id}/roll-secret", {})
    make_customer(client)
    inbox.wait_for(lambda box: len(box.deliveries) == 1)
    header, body = inbox.deliveries[0]
    for secret in (str(made.secret), rolled["secret"]):
        assert stripe_sdk.WebhookSignature.verify_header(body.decode(), header, secret, 300)


def test_events_can_be_sent_again_and_made(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver
) -> None:
    endpoint(client, inbox)
    ada = make_customer(client)
    inbox.wait_for(lambda box: len(box.deliveries) == 1)
    sandbox.control("POST", f"/events/{inbox.events[0]['id']}/resend", {})
    sandbox.control("POST", "/emit", {"type": "customer.updated", "id": ada.id})
    inbox.wait_for(lambda box: len(box.deliveries) == 3)
    assert sorted(inbox.types) == ["customer.created", "customer.created", "customer.updated"]


def test_addresses_elsewhere_are_never_called(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver
) -> None:
    client.v1.webhook_endpoints.create({"url": "https://example.com/hook", "enabled_events": ["*"]})
    make_customer(client)
    inbox.wait_for(lambda _box: sandbox.control("GET", "/deliveries")["data"][0]["state"] == "failed")
    attempt = sandbox.control("GET", "/deliveries")["data"][0]["attempts"][0]
    assert attempt["problem"] == "not reachable from the sandbox"
    assert client.v1.events.list({"delivery_success": False}).data[0].type == "customer.created"


def test_updates_tell_what_was_before(client: stripe_sdk.StripeClient, api: Api) -> None:
    ada = client.v1.customers.create({"name": "Ada", "metadata": {"keep": "1"}})
    client.v1.customers.update(ada.id, {"name": "Ada L.", "metadata": {"a": "1"}})
    client.v1.customers.update(ada.id, {"name": "Ada L."})
    client.v1.customers.delete(ada.id)
    events = api.get("/v1/events").body["data"]
    assert [e["type"] for e in events] == ["customer.deleted", "customer.updated", "customer.created"]
    assert events[1]["data"]["previous_attributes"] == {"metadata": {"a": None}, "name": "Ada"}
    assert "previous_attributes" not in events[2]["data"]
    assert "deleted" not in events[0]["data"]["object"]
    assert events[0]["request"]["idempotency_key"] is None
    assert {"account", "context"} & set(events[0]) == set()


def test_events_are_filtered_and_end_after_thirty_days(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox
) -> None:
    make_customer(client)
    client.v1.products.create({"name": "Desk"})
    types: Any = ["product.created", "price.created"]
    assert [e.type for e in client.v1.events.list({"types": types}).data] == ["product.created"]
    assert [e.type for e in client.v1.events.list({"type": "customer.created"}).data] == ["customer.created"]
    sandbox.advance(31 * 86400)
    assert client.v1.events.list().data == []
