"""What a connection keeps at Stripe: webhook endpoints and domains for wallets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.keys import WORLDS
from plugins.stripe.sandbox.testing import RunningSandbox, running_sandbox
from tests.plugins.stripe.sandbox.conftest import client_with
from tests.plugins.stripe.sandbox.raw import Api
from tests.plugins.stripe.sandbox.receivers import Receiver

LIVE = next(world for world in WORLDS if world.name == "a-live")
HOOK = "https://pay.example.com/hook"
MESSAGE = "The verification file was not found."


@pytest.fixture(scope="module")
def live_on_loopback() -> Iterator[RunningSandbox]:
    with running_sandbox(arguments=("--live-on-loopback",)) as running:
        yield running


# ---- endpoints


def add(api: Api, url: str = HOOK, **more: Any) -> dict[str, Any]:
    params = {"url": url, "enabled_events": ["customer.created"], **more}
    made: dict[str, Any] = api.post("/v1/webhook_endpoints", params).body
    return made


def test_description_and_metadata_are_kept_and_merged(api: Api) -> None:
    made = add(api, description="Portal", metadata={"portal": "1", "host": "a"})
    path = f"/v1/webhook_endpoints/{made['id']}"
    changed = api.post(path, {"metadata": {"host": "b", "portal": "", "new": "2"}}).body
    assert (changed["metadata"], changed["description"]) == ({"host": "b", "new": "2"}, "Portal")
    assert api.post(path, {"description": "Shop", "enabled_events": ["*"]}).body["metadata"] == {
        "host": "b",
        "new": "2",
    }
    api.post(path, {"metadata": "", "description": ""})
    stored = api.get(path).body
    assert (stored["metadata"], stored["description"]) == ({}, None)
    assert stored["enabled_events"] == ["*"]
    assert "secret" not in stored


def test_two_endpoints_may_share_an_address_and_both_get_events(api: Api, inbox: Receiver) -> None:
    first, second = add(api, inbox.url), add(api, inbox.url)
    assert first["id"] != second["id"]
    assert first["secret"] != second["secret"]
    api.post("/v1/customers", {"name": "Ada"})
    inbox.wait_for(lambda box: len(box.deliveries) == 2)
    assert len({header for header, _ in inbox.deliveries}) == 2
    assert len({event["id"] for event in inbox.events}) == 1


@pytest.mark.parametrize(("key", "mode"), [(WORLDS[0].secret_key, "test"), (LIVE.secret_key, "live")])
def test_the_limit_of_endpoints_is_told_for_each_mode(api: Api, key: str, mode: str) -> None:
    params = {"url": HOOK, "enabled_events": ["*"]}
    for _ in range(16):
        assert api.post("/v1/webhook_endpoints", params, key=key).status == 200
    refused = api.post("/v1/webhook_endpoints", params, key=key)
    assert refused.status == 400
    assert refused.error["message"] == f"You have reached the maximum of 16 {mode} webhook endpoints."


# ---- live mode on this machine


def test_live_endpoints_need_https_as_at_stripe(api: Api, inbox: Receiver) -> None:
    for url in (inbox.url, "http://pay.example.com/hook"):
        reply = api.post("/v1/webhook_endpoints", {"url": url, "enabled_events": ["*"]}, key=LIVE.secret_key)
        assert (reply.status, reply.error["code"]) == (400, "url_invalid")
        assert "HTTPS" in reply.error["message"]


def test_live_on_loopback_delivers_live_events_here(
    live_on_loopback: RunningSandbox, inbox: Receiver
) -> None:
    client = client_with(live_on_loopback, LIVE.secret_key)
    made = client.v1.webhook_endpoints.create({"url": inbox.url, "enabled_events": ["*"]})
    client.v1.customers.create({"name": "Ada"})
    inbox.wait_for(lambda box: len(box.deliveries) == 1)
    header, body = inbox.deliveries[0]
    event = stripe_sdk.Webhook.construct_event(body, header, str(made.secret))
    assert (made.livemode, event.livemode) == (True, True)


def test_live_on_loopback_still_wants_https_elsewhere(live_on_loopback: RunningSandbox) -> None:
    api = Api(live_on_loopback.url)
    params = {"url": "http://pay.example.com/hook", "enabled_events": ["*"]}
    assert api.post("/v1/webhook_endpoints", params, key=LIVE.secret_key).error["code"] == "url_invalid"


# ---- domains


def wallets(body: dict[str, Any]) -> dict[str, str]:
    return {name: body[name]["status"] for name in ("apple_pay", "google_pay", "link")}


def judge(sandbox: RunningSandbox, name: str, message: str | None, **more: Any) -> list[dict[str, Any]]:
    ruling = {"domain_name": name, "error_message": message, **more}
    rows: list[dict[str, Any]] = sandbox.control("POST", "/payment_method_domains", ruling)["data"]
    return rows


def test_a_domain_is_validated_and_reports_its_wallets(api: Api) -> None:
    made = api.post("/v1/payment_method_domains", {"domain_name": "pay.example.com"}).body
    again = api.post(f"/v1/payment_method_domains/{made['id']}/validate")
    assert (again.status, again.body) == (200, made)
    assert set(wallets(made).values()) == {"active"}
    missing = api.post("/v1/payment_method_domains/pmd_x/validate")
    assert (missing.status, missing.error["code"]) == (404, "resource_missing")


def test_one_wallet_of_a_domain_can_be_made_inactive(api: Api, sandbox: RunningSandbox) -> None:
    made = api.post("/v1/payment_method_domains", {"domain_name": "pay.example.com"}).body
    path = f"/v1/payment_method_domains/{made['id']}"
    (now,) = judge(sandbox, "pay.example.com", MESSAGE, method="apple_pay")
    assert wallets(now) == {"apple_pay": "inactive", "google_pay": "active", "link": "active"}
    for body in (api.get(path).body, api.post(f"{path}/validate").body):
        assert body["apple_pay"] == {"status": "inactive", "status_details": {"error_message": MESSAGE}}
    judge(sandbox, "pay.example.com", None, method="apple_pay")
    assert api.get(path).body["apple_pay"] == {"status": "active"}


def test_validation_heals_what_was_inactive_until_then(api: Api, sandbox: RunningSandbox) -> None:
    assert judge(sandbox, "Pay.example.com", MESSAGE, until_validated=True) == []
    made = api.post("/v1/payment_method_domains", {"domain_name": "pay.example.com"}).body
    assert set(wallets(made).values()) == {"inactive"}
    healed = api.post(f"/v1/payment_method_domains/{made['id']}/validate").body
    assert set(wallets(healed).values()) == {"active"}


def test_a_domain_of_this_machine_can_be_called_public(api: Api, sandbox: RunningSandbox) -> None:
    made = api.post("/v1/payment_method_domains", {"domain_name": "localhost"}).body
    assert set(wallets(made).values()) == {"inactive"}
    (now,) = judge(sandbox, "localhost", None)
    assert set(wallets(now).values()) == {"active"}
    assert judge(sandbox, "localhost", MESSAGE, world="a-live") == []
    sandbox.reset()
    again = api.post("/v1/payment_method_domains", {"domain_name": "localhost"}).body
    assert set(wallets(again).values()) == {"inactive"}


def test_a_wallet_that_does_not_exist_is_refused(sandbox: RunningSandbox) -> None:
    with pytest.raises(RuntimeError, match="method is one of amazon_pay, apple_pay"):
        judge(sandbox, "pay.example.com", MESSAGE, method="cash")
