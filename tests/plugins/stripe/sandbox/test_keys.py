"""Keys: worlds apart, restricted rights, publishable limits, revoked and expired ones."""

from __future__ import annotations

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.keys import DEFAULT, WORLDS
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.conftest import client_with
from tests.plugins.stripe.sandbox.raw import Api


def test_nothing_is_seen_from_another_world(sandbox: RunningSandbox, client: stripe_sdk.StripeClient) -> None:
    ada = client.v1.customers.create({"name": "Ada"})
    for world in WORLDS[1:]:
        other = client_with(sandbox, world.secret_key)
        assert other.v1.customers.list().data == []
        with pytest.raises(stripe_sdk.InvalidRequestError):
            other.v1.customers.retrieve(ada.id)
        assert other.v1.accounts.retrieve_current().id == world.account
        assert other.v1.balance.retrieve().livemode is world.livemode


def test_unknown_key_is_masked(api: Api) -> None:
    reply = api.get("/v1/balance", key="sk_test_51abcdefghijklmnopqrstuvwxyz")
    assert (reply.status, reply.error["type"], "code" in reply.error) == (401, "invalid_request_error", False)
    assert reply.error["message"].startswith("Invalid API Key provided: sk_test_****")
    assert reply.error["message"].endswith("*wxyz")
    assert api.get("/v1/balance", key=None).status == 401


@pytest.mark.parametrize("state", ["revoke", "expire"])
def test_dead_keys_are_refused(api: Api, sandbox: RunningSandbox, state: str) -> None:
    sandbox.control("POST", f"/keys/{state}", {"key": DEFAULT.restricted_key})
    reply = api.get("/v1/customers", key=DEFAULT.restricted_key)
    assert reply.status == 401
    assert reply.error.get("code") == ("api_key_expired" if state == "expire" else None)


def test_ready_made_restricted_key_may_all_but_read_the_account(api: Api) -> None:
    refused = api.get("/v1/account", key=DEFAULT.restricted_key)
    assert (refused.status, refused.error["code"]) == (403, "more_permissions_required")
    assert "'rak_accounts_kyc_basic_read'" in refused.error["message"]
    for path in ("balance", "customers", "invoices", "events", "webhook_endpoints", "payment_method_domains"):
        assert api.get(f"/v1/{path}", key=DEFAULT.restricted_key).status == 200
    assert api.post("/v1/customers", {"name": "Ada"}, key=DEFAULT.restricted_key).status == 200


def test_rights_are_checked_before_existence(api: Api, sandbox: RunningSandbox) -> None:
    made = sandbox.control("POST", "/keys", {"permissions": ["rak_customer_write", "rak_invoice_read"]})
    key = made["key"]
    assert api.get("/v1/customers", key=key).status == 200
    assert api.post("/v1/customers/cus_probe0", key=key).status == 404
    refused = api.post("/v1/invoices/in_probe0", key=key)
    assert (refused.status, "'rak_invoice_write'" in refused.error["message"]) == (403, True)
    assert key not in refused.error["message"]


def test_publishable_key_opens_browser_calls_only(api: Api) -> None:
    reply = api.get("/v1/customers", key=DEFAULT.publishable_key)
    assert (reply.status, reply.error["code"]) == (401, "secret_key_required")


def test_account_can_be_put_in_any_state(sandbox: RunningSandbox, client: stripe_sdk.StripeClient) -> None:
    changes = {"charges_enabled": False, "requirements": {"disabled_reason": "requirements.past_due"}}
    sandbox.control(
        "POST", "/account", {**changes, "capabilities": {"us_bank_account_ach_payments": "inactive"}}
    )
    account = client.v1.accounts.retrieve_current().to_dict()
    assert (account["charges_enabled"], account["payouts_enabled"]) == (False, True)
    assert account["requirements"]["disabled_reason"] == "requirements.past_due"
    assert account["capabilities"] == {
        "card_payments": "active",
        "link_payments": "active",
        "transfers": "active",
        "us_bank_account_ach_payments": "inactive",
    }
    assert client.v1.events.list().data[0].type == "account.updated"
