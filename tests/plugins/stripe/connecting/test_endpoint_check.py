"""The webhook endpoint check: what is wrong with it, by how much, and what is offered."""

from __future__ import annotations

from dataclasses import replace

import pytest
import stripe as stripe_sdk

from plugins.stripe.checks.findings import PREVIOUS
from plugins.stripe.domain.codes import Code
from plugins.stripe.domain.endpoints import SILENT_EVENTS, RepairId, marks
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.client import API_VERSION
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.contract.checks import CheckContext, CheckResult, CheckStatus
from portal.contract.secrets import Secret
from portal.settings import Settings
from tests.plugins.stripe.connecting.asking import add_endpoint, restricted, run
from tests.plugins.stripe.connecting.conftest import ENDPOINT, SIGNING, ContextOf

PUBLIC = "https://portal.example.com/webhooks/stripe/token-of-the-test"
EARLIER = ENDPOINT.replace("token-of-the-test", "token-of-an-earlier-time")
HERE, ACCOUNT = "instance-of-the-test", 7
ALL = len(ENDPOINT_EVENTS)


def repairs(found: CheckResult) -> list[str]:
    return [repair.id for repair in found.repairs]


@pytest.fixture
def saved(context_of: ContextOf) -> CheckContext:
    """A connection that is saved, in this installation."""
    context = context_of()
    context.instance, context.account_id = HERE, ACCOUNT
    return context


async def test_a_good_endpoint_passes(context_of: ContextOf, stripe: stripe_sdk.V1Services) -> None:
    add_endpoint(stripe)
    found = await run("webhook_endpoint", context_of())
    assert (found.status, found.code, found.repairs) == (CheckStatus.PASSED, "", ())
    assert found.message == f"Found, enabled, API version matches, and subscribed to all {ALL} events."
    assert found.shown == {
        "Endpoint": "found",
        "Events": f"{ALL} of {ALL}",
        "API version": API_VERSION,
        "Status": "enabled",
    }


async def test_an_endpoint_for_everything_passes(
    context_of: ContextOf, stripe: stripe_sdk.V1Services
) -> None:
    add_endpoint(stripe, enabled_events=["*"])
    assert (await run("webhook_endpoint", context_of())).status is CheckStatus.PASSED


async def test_a_missing_endpoint_warns_here_and_fails_in_public(context_of: ContextOf) -> None:
    found = await run("webhook_endpoint", context_of())
    assert (found.status, found.tag, found.code) == (
        CheckStatus.WARNING,
        "Not found",
        Code.ENDPOINT_NOT_FOUND,
    )
    assert repairs(found) == [RepairId.CREATE_ENDPOINT]
    assert found.fix.endswith(f"stripe listen --forward-to '{ENDPOINT}'")
    public = context_of()
    public.endpoint_url = PUBLIC
    found = await run("webhook_endpoint", public)
    assert (found.status, found.shown["Endpoint"]) == (CheckStatus.FAILED, "not found")
    assert "stripe listen" not in found.fix


@pytest.mark.parametrize(
    ("url", "difference"),
    [
        (PUBLIC.replace("https", "http"), "begins with http:// instead of https://"),
        (PUBLIC + "/", "ends with a slash"),
        (
            PUBLIC.replace("portal.", "old."),
            "names the host old.example.com instead of portal.example.com",
        ),
        (PUBLIC.replace(".com", ".com:8443"), "names port 8443 instead of 443"),
        (PUBLIC + "?from=stripe", "carries something after the path"),
        (
            PUBLIC.replace("https", "http") + "/",
            "begins with http:// instead of https:// and ends with a slash",
        ),
    ],
)
async def test_an_address_that_is_almost_right_is_told_by_its_difference(
    context_of: ContextOf, stripe: stripe_sdk.V1Services, url: str, difference: str
) -> None:
    add_endpoint(stripe, url=url)
    context = context_of()
    context.endpoint_url = PUBLIC
    found = await run("webhook_endpoint", context)
    assert (found.status, found.code) == (CheckStatus.FAILED, Code.ENDPOINT_NEAR_MISS)
    assert found.message == f"Stripe has {url}, which {difference}."
    assert repairs(found) == [RepairId.FIX_ENDPOINT]


async def test_a_disabled_endpoint_fails(context_of: ContextOf, stripe: stripe_sdk.V1Services) -> None:
    stripe.webhook_endpoints.update(add_endpoint(stripe), {"disabled": True})
    found = await run("webhook_endpoint", context_of())
    assert (found.status, found.message) == (CheckStatus.FAILED, "Found, but it is disabled.")
    assert (found.code, repairs(found)) == (Code.ENDPOINT_DISABLED, [RepairId.FIX_ENDPOINT])
    assert found.shown["Status"] == "disabled"


async def test_missing_events_are_named(context_of: ContextOf, stripe: stripe_sdk.V1Services) -> None:
    kept = [name for name in ENDPOINT_EVENTS if name not in ("invoice.paid", "invoice.voided")]
    add_endpoint(stripe, enabled_events=kept)
    found = await run("webhook_endpoint", context_of())
    assert (found.status, found.code) == (CheckStatus.WARNING, Code.ENDPOINT_EVENTS)
    assert found.message == "Found and enabled, but it does not send 2 event types we act on."
    assert found.fix == "Add invoice.paid and invoice.voided to the endpoint."
    assert (found.shown["Events"], repairs(found)) == (f"{ALL - 2} of {ALL}", [RepairId.FIX_ENDPOINT])


async def test_another_version_is_told(context_of: ContextOf, stripe: stripe_sdk.V1Services) -> None:
    add_endpoint(stripe, api_version="2025-09-30.clover")
    found = await run("webhook_endpoint", context_of())
    assert (found.status, found.code) == (CheckStatus.WARNING, Code.ENDPOINT_VERSION)
    assert found.message == "Found and enabled, but it sends 2025-09-30.clover."
    assert repairs(found) == [RepairId.FIX_ENDPOINT]


async def test_a_twin_endpoint_is_told(context_of: ContextOf, stripe: stripe_sdk.V1Services) -> None:
    add_endpoint(stripe)
    add_endpoint(stripe)
    found = await run("webhook_endpoint", context_of())
    assert found.message == "Found 2 times, so every event arrives 2 times."
    assert (found.code, repairs(found)) == (Code.ENDPOINT_TWINS, [RepairId.REMOVE_TWINS])


async def test_several_problems_are_all_listed_and_the_worst_leads(
    context_of: ContextOf, stripe: stripe_sdk.V1Services
) -> None:
    made = add_endpoint(stripe, enabled_events=["invoice.paid"], api_version="2025-09-30.clover")
    stripe.webhook_endpoints.update(made, {"disabled": True})
    found = await run("webhook_endpoint", context_of())
    assert (found.status, found.code, found.tag) == (
        CheckStatus.FAILED,
        Code.ENDPOINT_DISABLED,
        "3 problems",
    )
    assert [step.split()[0] for step in found.steps] == ["Enable", "Add", "Its"]
    assert repairs(found) == [RepairId.FIX_ENDPOINT]


async def test_a_replacement_under_way_is_no_twin(saved: CheckContext, stripe: stripe_sdk.V1Services) -> None:
    old = add_endpoint(stripe)
    new = add_endpoint(
        stripe, enabled_events=list(SILENT_EVENTS), metadata=marks(HERE, ACCOUNT, replaces=[old])
    )
    found = await run("webhook_endpoint", saved)
    assert found.status is CheckStatus.PASSED
    assert found.message.endswith("A second one stands beside it while the signing secret is changed.")
    stripe.webhook_endpoints.update(new, {"enabled_events": ["*"]})
    saved.other_secrets = {PREVIOUS: Secret(SIGNING)}
    saved.facts.clear()
    assert (await run("webhook_endpoint", saved)).status is CheckStatus.PASSED


async def test_an_earlier_address_that_we_made_is_offered_for_deletion(
    saved: CheckContext, stripe: stripe_sdk.V1Services
) -> None:
    add_endpoint(stripe)
    add_endpoint(stripe, url="https://before.example.com/webhooks/stripe/t", metadata=marks(HERE, ACCOUNT))
    found = await run("webhook_endpoint", saved)
    assert (found.status, found.code) == (CheckStatus.WARNING, Code.ENDPOINT_ORPHANS)
    assert found.message.endswith(
        "Stripe also sends to an earlier address of this portal: https://before.example.com/webhooks/stripe/t."
    )
    assert repairs(found) == [RepairId.REMOVE_ORPHANS]


@pytest.mark.parametrize(
    "metadata",
    [{}, marks("instance-of-somebody-else", ACCOUNT), marks(HERE, ACCOUNT + 1)],
    ids=["by hand", "of another installation", "of another connection"],
)
async def test_an_earlier_address_that_is_not_surely_ours_is_named_and_not_offered(
    saved: CheckContext, stripe: stripe_sdk.V1Services, metadata: dict[str, str]
) -> None:
    add_endpoint(stripe)
    add_endpoint(stripe, url=EARLIER, metadata=metadata)
    found = await run("webhook_endpoint", saved)
    assert (found.code, repairs(found)) == (Code.ENDPOINT_ORPHANS, [])
    assert "/webhooks/stripe/token-…" in found.message
    assert "unless another connection needs it" in found.fix


async def test_a_form_that_is_not_saved_offers_to_delete_nothing(
    saved: CheckContext, stripe: stripe_sdk.V1Services
) -> None:
    add_endpoint(stripe)
    add_endpoint(stripe, url=EARLIER, metadata=marks(HERE, None))
    assert repairs(await run("webhook_endpoint", saved)) == [RepairId.REMOVE_ORPHANS]
    form = replace(saved, account_id=None, facts={})
    assert repairs(await run("webhook_endpoint", form)) == []


async def test_an_earlier_address_is_named_also_where_the_endpoint_is_missing(
    saved: CheckContext, stripe: stripe_sdk.V1Services
) -> None:
    add_endpoint(stripe, url=EARLIER, metadata=marks(HERE, ACCOUNT))
    found = await run("webhook_endpoint", saved)
    assert found.message.startswith(
        "Stripe has no endpoint with exactly this address. Stripe also sends to an"
    )
    assert repairs(found) == [RepairId.CREATE_ENDPOINT, RepairId.REMOVE_ORPHANS]


async def test_endpoints_of_others_are_none_of_ours(
    saved: CheckContext, stripe: stripe_sdk.V1Services
) -> None:
    add_endpoint(stripe)
    for url in ("https://shop.example.com/hook", ENDPOINT.replace("/stripe/", "/other/")):
        add_endpoint(stripe, url=url)
    assert (await run("webhook_endpoint", saved)).status is CheckStatus.PASSED


async def test_a_full_account_is_told_with_what_can_go(
    saved: CheckContext, stripe: stripe_sdk.V1Services
) -> None:
    add_endpoint(stripe, url=EARLIER, metadata=marks(HERE, ACCOUNT))
    idle = add_endpoint(stripe, url="https://shop.example.com/idle")
    stripe.webhook_endpoints.update(idle, {"disabled": True})
    for number in range(14):
        add_endpoint(stripe, url=f"https://shop.example.com/hooks/{number}")
    found = await run("webhook_endpoint", saved)
    assert (found.tag, found.code) == ("No room", Code.ENDPOINT_LIMIT)
    assert found.message.startswith("Stripe allows 16 endpoints, all are taken")
    assert [step.partition(":")[0] for step in found.steps] == ["Delete http", "Delete https"]
    assert "it is disabled" in found.steps[1]
    assert repairs(found) == [RepairId.REMOVE_ORPHANS]


async def test_a_key_that_may_not_see_endpoints_leaves_a_doubt(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    found = await run("webhook_endpoint", context_of(secret_key=restricted(sandbox, "rak_webhook")))
    assert (found.status, found.code) == (CheckStatus.UNPROVED, Code.ENDPOINT_HIDDEN)


async def test_nothing_is_offered_where_the_key_may_only_read(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    rights = ["rak_webhook_read"]
    key = sandbox.control("POST", "/keys", {"permissions": rights})["key"]
    found = await run("webhook_endpoint", context_of(secret_key=key))
    assert (found.code, found.repairs) == (Code.ENDPOINT_NOT_FOUND, ())


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (PUBLIC.replace("https", "http"), Code.ENDPOINT_NOT_HTTPS),
        ("https://192.168.1.4/webhooks/stripe/t", Code.ENDPOINT_NOT_PUBLIC),
        ("https://portal.local/webhooks/stripe/t", Code.ENDPOINT_NOT_PUBLIC),
        ("https://localhost/webhooks/stripe/t", Code.ENDPOINT_NOT_PUBLIC),
    ],
)
async def test_a_live_address_that_stripe_cannot_use_fails_before_stripe_is_asked(
    context_of: ContextOf, local: Settings, url: str, code: Code
) -> None:
    real = replace(local, plugin_variables={})
    context = context_of(settings=real, secret_key="sk_live_51QaXyzAbCdEfGhIj0123456789")
    context.endpoint_url = url
    found = await run("webhook_endpoint", context)
    assert (found.status, found.code, found.repairs) == (CheckStatus.FAILED, code, ())
    assert "PORTAL_BASE_URL" in found.fix
