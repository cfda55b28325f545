"""What each check finds, and what it tells a person to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import stripe as stripe_sdk

from plugins.stripe.checks import CHECKS
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.client import API_VERSION
from plugins.stripe.rights import RIGHTS
from plugins.stripe.sandbox.keys import WORLDS
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.contract.checks import CheckContext, CheckResult, CheckStatus
from portal.settings import Settings
from tests.plugins.stripe.connecting.conftest import ENDPOINT, ContextOf

OTHER = next(world for world in WORLDS if world.name == "b-test")
LIVE = next(world for world in WORLDS if world.name == "a-live")
BY_ID = {check.id: check for check in CHECKS}


async def run(name: str, context: CheckContext) -> CheckResult:
    return await BY_ID[name].run(context)


def add_endpoint(stripe: stripe_sdk.V1Services, **fields: Any) -> str:
    given = {"url": ENDPOINT, "enabled_events": list(ENDPOINT_EVENTS), "api_version": API_VERSION, **fields}
    return stripe.webhook_endpoints.create(cast("Any", given)).id


def restricted(sandbox: RunningSandbox, *without: str) -> str:
    """A key with every right but these, named without the ending."""
    ready = next(
        k for k in sandbox.control("GET", "/keys")["data"] if k["text"] == sandbox.keys.restricted_key
    )
    rights = (
        [r for r in ready["permissions"] if not r.startswith(without)] if without else ready["permissions"]
    )
    return str(sandbox.control("POST", "/keys", {"permissions": rights})["key"])


def test_the_checks_have_their_fixed_ids_and_titles() -> None:
    assert [(check.id, check.title) for check in CHECKS] == [
        ("key_format", "Key format"),
        ("account", "Account"),
        ("permissions", "Permissions"),
        ("payment_methods", "Payment methods"),
        ("webhook_endpoint", "Webhook endpoint"),
        ("signing_secret", "Signing secret"),
    ]


async def test_good_keys_pass_the_format(context_of: ContextOf) -> None:
    found = await run("key_format", context_of())
    assert found.status is CheckStatus.PASSED
    assert found.message == "All three values are well formed and belong to test mode."


async def test_the_format_names_every_bad_value(context_of: ContextOf) -> None:
    found = await run("key_format", context_of(secret_key=LIVE.secret_key, webhook_secret="we_1QaXyz"))
    assert found.status is CheckStatus.FAILED
    assert "Secret key: This key is live but the publishable key is test." in found.message
    assert "Webhook signing secret: This is the endpoint ID." in found.message


async def test_an_unknown_kind_of_key_only_warns(context_of: ContextOf) -> None:
    found = await run("key_format", context_of(secret_key="rkcs_test_51SandboxAccountA_something"))
    assert found.status is CheckStatus.WARNING


async def test_a_good_account_is_named(context_of: ContextOf) -> None:
    found = await run("account", context_of())
    assert found.status is CheckStatus.PASSED
    assert found.message == "Sandbox Account A, acct_1San…untA, US. Can accept charges and payouts."


async def test_the_proof_leaves_no_open_setup_intent(
    context_of: ContextOf, stripe: stripe_sdk.V1Services
) -> None:
    await run("account", context_of())
    assert [intent.status for intent in stripe.setup_intents.list().data] == ["canceled"]


@pytest.mark.parametrize("state", ["revoke", "expire"])
async def test_a_refused_key_fails_the_account_and_skips_the_rest(
    sandbox: RunningSandbox, context_of: ContextOf, state: str
) -> None:
    key = restricted(sandbox)
    sandbox.control("POST", f"/keys/{state}", {"key": key})
    context = context_of(secret_key=key)
    refused = await run("account", context)
    assert refused.status is CheckStatus.FAILED
    assert refused.message.startswith("Stripe refused this key.")
    assert refused.code == "STRIPE_KEY_REFUSED"
    for name in ("permissions", "payment_methods", "webhook_endpoint"):
        assert await run(name, context) == CheckResult(
            CheckStatus.SKIPPED, "Not checked because the key was refused."
        )


async def test_a_publishable_key_of_another_account_is_told(context_of: ContextOf) -> None:
    found = await run("account", context_of(publishable_key=OTHER.publishable_key))
    assert found.status is CheckStatus.FAILED
    assert found.message == "The publishable key belongs to another Stripe account than the secret key."
    assert found.fix_url == "https://dashboard.stripe.com/test/apikeys"


async def test_an_unknown_publishable_key_is_told(context_of: ContextOf) -> None:
    found = await run("account", context_of(publishable_key="pk_test_51Nobody1234567890abcdef"))
    assert (found.status, found.message) == (CheckStatus.FAILED, "Stripe refused the publishable key.")


async def test_a_key_that_may_not_read_the_account_is_not_called_invalid(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    found = await run("account", context_of(secret_key=sandbox.keys.restricted_key))
    assert found.status is CheckStatus.UNPROVED
    assert found.message.startswith("The key works, in test mode. It may not read the account")


async def test_what_stripe_still_needs_is_listed(sandbox: RunningSandbox, context_of: ContextOf) -> None:
    due = ["external_account", "tos_acceptance.date"]
    requirements = {"currently_due": due, "past_due": ["external_account"], "disabled_reason": None}
    sandbox.control("POST", "/account", {"requirements": requirements})
    found = await run("account", context_of())
    assert found.status is CheckStatus.WARNING
    assert found.fix == "Stripe still needs 2 details: external account, tos acceptance: date."


async def test_charges_that_are_off_warn_in_test_mode_with_the_reason(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    changes = {"charges_enabled": False, "requirements": {"disabled_reason": "under_review"}}
    sandbox.control("POST", "/account", changes)
    found = await run("account", context_of())
    assert found.status is CheckStatus.WARNING
    assert "Charges are off: Stripe is reviewing the account." in found.message


async def test_every_right_is_probed(context_of: ContextOf, sandbox: RunningSandbox) -> None:
    found = await run("permissions", context_of(secret_key=sandbox.keys.restricted_key))
    assert found.status is CheckStatus.PASSED
    assert found.tag == f"{len(RIGHTS)} of {len(RIGHTS)}"
    assert [item.label for item in found.items] == [right.title for right in RIGHTS]


async def test_a_missing_right_is_named_with_what_it_switches_off(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    found = await run("permissions", context_of(secret_key=restricted(sandbox, "rak_invoice")))
    assert found.status is CheckStatus.FAILED
    assert [item.label for item in found.items if item.status is CheckStatus.FAILED] == ["Invoices"]
    assert "Invoices: write is switched off (Stripe calls it rak_invoice_read), so you could not" in found.fix


async def test_without_setup_intents_only_the_proof_is_missing(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    key = restricted(sandbox, "rak_setup_intent")
    found = await run("permissions", context_of(secret_key=key))
    assert found.status is CheckStatus.WARNING
    account = await run("account", context_of(secret_key=key))
    assert account.status is CheckStatus.UNPROVED
    assert "Whether the publishable key belongs to the same account is not proved." in account.message


async def test_the_methods_are_told_and_wallets_need_a_public_address(context_of: ContextOf) -> None:
    found = await run("payment_methods", context_of())
    assert found.status is CheckStatus.PASSED
    assert found.message == (
        "Cards, Link and ACH Direct Debit are on. "
        "Apple Pay and Google Pay need a public address; 127.0.0.1 is none."
    )


async def test_an_unregistered_domain_hides_the_wallets(
    context_of: ContextOf, local: Settings, stripe: stripe_sdk.V1Services
) -> None:
    public = replace(local, base_url="https://portal.example.com")
    found = await run("payment_methods", context_of(settings=public))
    assert found.status is CheckStatus.WARNING
    assert found.fix == (
        "Apple Pay and Google Pay will not appear: register portal.example.com as a payment method domain."
    )
    stripe.payment_method_domains.create({"domain_name": "portal.example.com"})
    found = await run("payment_methods", context_of(settings=public))
    assert found.status is CheckStatus.PASSED
    assert "Apple Pay and Google Pay are on." in found.message


async def test_cards_that_are_off_are_told(sandbox: RunningSandbox, context_of: ContextOf) -> None:
    sandbox.control("POST", "/account", {"capabilities": {"card_payments": "inactive"}})
    found = await run("payment_methods", context_of())
    assert (found.status, found.tag) == (CheckStatus.WARNING, "Cards off")


async def test_the_methods_are_skipped_when_the_account_is_hidden(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    found = await run("payment_methods", context_of(secret_key=sandbox.keys.restricted_key))
    assert found.status is CheckStatus.SKIPPED


async def test_a_good_endpoint_passes(context_of: ContextOf, stripe: stripe_sdk.V1Services) -> None:
    add_endpoint(stripe)
    found = await run("webhook_endpoint", context_of())
    assert found.status is CheckStatus.PASSED
    assert found.message == (
        f"Found, enabled, API version matches, and subscribed to all {len(ENDPOINT_EVENTS)} events."
    )


async def test_an_endpoint_for_everything_passes(
    context_of: ContextOf, stripe: stripe_sdk.V1Services
) -> None:
    add_endpoint(stripe, enabled_events=["*"])
    assert (await run("webhook_endpoint", context_of())).status is CheckStatus.PASSED


async def test_a_missing_endpoint_warns_here_and_fails_in_public(context_of: ContextOf) -> None:
    found = await run("webhook_endpoint", context_of())
    assert (found.status, found.tag) == (CheckStatus.WARNING, "Not found")
    public = context_of()
    public.endpoint_url = "https://portal.example.com/webhooks/stripe/token"
    assert (await run("webhook_endpoint", public)).status is CheckStatus.FAILED


async def test_an_address_that_is_almost_right_is_shown(
    context_of: ContextOf, stripe: stripe_sdk.V1Services
) -> None:
    add_endpoint(stripe, url=ENDPOINT + "/")
    found = await run("webhook_endpoint", context_of())
    assert found.message == f"Stripe has {ENDPOINT}/, which is not exactly this address."


async def test_a_disabled_endpoint_fails(context_of: ContextOf, stripe: stripe_sdk.V1Services) -> None:
    stripe.webhook_endpoints.update(add_endpoint(stripe), {"disabled": True})
    found = await run("webhook_endpoint", context_of())
    assert (found.status, found.message) == (CheckStatus.FAILED, "Found, but it is disabled.")


async def test_missing_events_are_named(context_of: ContextOf, stripe: stripe_sdk.V1Services) -> None:
    kept = [name for name in ENDPOINT_EVENTS if name not in ("invoice.paid", "invoice.voided")]
    add_endpoint(stripe, enabled_events=kept)
    found = await run("webhook_endpoint", context_of())
    assert found.status is CheckStatus.WARNING
    assert found.message == "Found and enabled, but it does not send 2 event types we act on."
    assert found.fix == "Add invoice.paid and invoice.voided to the endpoint."


async def test_another_version_is_told(context_of: ContextOf, stripe: stripe_sdk.V1Services) -> None:
    add_endpoint(stripe, api_version="2025-09-30.clover")
    found = await run("webhook_endpoint", context_of())
    assert found.status is CheckStatus.WARNING
    assert found.message == "Found and enabled, but it sends 2025-09-30.clover."


async def test_a_twin_endpoint_is_told(context_of: ContextOf, stripe: stripe_sdk.V1Services) -> None:
    add_endpoint(stripe)
    add_endpoint(stripe)
    found = await run("webhook_endpoint", context_of())
    assert found.message == "Found 2 times, so every event arrives 2 times."


async def test_a_key_that_may_not_see_endpoints_leaves_a_doubt(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    found = await run("webhook_endpoint", context_of(secret_key=restricted(sandbox, "rak_webhook")))
    assert found.status is CheckStatus.UNPROVED


async def test_a_signing_secret_is_unproved_until_an_event_arrived(context_of: ContextOf) -> None:
    assert (await run("signing_secret", context_of())).status is CheckStatus.UNPROVED
    context = context_of()
    context.facts["event_arrived_at"] = datetime(2026, 11, 22, 9, 10, tzinfo=UTC)
    proved = await run("signing_secret", context)
    assert proved.status is CheckStatus.PASSED
    assert proved.message == "Proved by an event that arrived on 22 Nov 2026 at 09:10 UTC."


@pytest.mark.parametrize("value", ["", "we_1QaXyz", "whsec_•••••••••••"])
async def test_a_signing_secret_that_is_none_fails(context_of: ContextOf, value: str) -> None:
    assert (await run("signing_secret", context_of(webhook_secret=value))).status is CheckStatus.FAILED


async def test_no_result_holds_a_key(sandbox: RunningSandbox, context_of: ContextOf) -> None:
    key = restricted(sandbox, "rak_invoice")
    context = context_of(secret_key=key)
    for check in CHECKS:
        found = repr(await check.run(context))
        assert key not in found
        assert "whsec_of" not in found


async def test_a_live_key_never_goes_to_the_sandbox(context_of: ContextOf) -> None:
    real = "51QaXyzAbCdEfGhIj0123456789"
    context = context_of(secret_key=f"sk_live_{real}", publishable_key=f"pk_live_{real}")
    with pytest.raises(
        Exception, match="A live key was given while PORTAL_STRIPE_API_BASE points at a sandbox"
    ):
        await run("webhook_endpoint", context)
