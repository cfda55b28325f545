"""The permissions check: N rights taken away give N red chips, and exactly their features are off."""

from __future__ import annotations

import random

import pytest
import stripe as stripe_sdk

from plugins.stripe.domain.codes import Code
from plugins.stripe.gateway import patience, probes
from plugins.stripe.plugin import StripePlugin
from plugins.stripe.rights import RIGHTS, WALLETS_FEATURE, Right
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.contract.checks import CheckStatus
from tests.plugins.stripe.connecting.asking import chips, every_right, key_with, restricted, run
from tests.plugins.stripe.connecting.conftest import ContextOf

NAMES = {
    "accounts": "rak_accounts_kyc_basic",
    "balance": "rak_balance",
    "billing_portal.sessions": "rak_customer_portal",
    "credit_notes": "rak_credit_note",
    "customer_sessions": "rak_customer_session",
    "customers": "rak_customer",
    "disputes": "rak_dispute",
    "events": "rak_event",
    "invoices": "rak_invoice",
    "payment_intents": "rak_payment_intent",
    "payment_method_configurations": "rak_payment_method_configuration",
    "payment_method_domains": "rak_payment_method_domain",
    "payment_methods": "rak_payment_method",
    "payment_records": "rak_payment_record",
    "prices": "rak_plan",
    "products": "rak_product",
    "refunds": "rak_charge",
    "setup_intents": "rak_setup_intent",
    "subscriptions": "rak_subscription",
    "webhook_endpoints": "rak_webhook",
}
"""What Stripe calls the rights of each row."""
DICE = random.Random(3)  # noqa: S311 - repeatable on purpose
SUBSETS = [DICE.sample(RIGHTS, DICE.randint(2, len(RIGHTS) - 1)) for _ in range(6)]
each_right = pytest.mark.parametrize("right", RIGHTS, ids=lambda right: right.service)


def without(sandbox: RunningSandbox, *rights: Right) -> str:
    return restricted(sandbox, *(NAMES[right.service] for right in rights))


def by_row(rights: list[Right]) -> list[Right]:
    return [right for right in RIGHTS if right in rights]


async def test_every_right_is_probed(context_of: ContextOf, sandbox: RunningSandbox) -> None:
    found = await run("permissions", context_of(secret_key=restricted(sandbox)))
    assert (found.status, found.code) == (CheckStatus.PASSED, "")
    assert found.message == f"All {len(RIGHTS)} permissions are there."
    assert found.tag == f"{len(RIGHTS)} of {len(RIGHTS)}"
    assert chips(found, CheckStatus.PASSED) == [right.title for right in RIGHTS]
    assert found.features_off == {}


async def test_the_probes_change_nothing(
    context_of: ContextOf, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    await run("permissions", context_of())
    writes = [route for route in sandbox.calls() if not route.startswith("GET")]
    assert len(writes) == sum(right.level == "Write" for right in RIGHTS)
    assert stripe.events.list().data == []


@each_right
async def test_a_missing_right_is_one_red_chip_and_one_feature_off(
    sandbox: RunningSandbox, context_of: ContextOf, right: Right
) -> None:
    found = await run("permissions", context_of(secret_key=without(sandbox, right)))
    assert found.status is (CheckStatus.FAILED if right.needed else CheckStatus.WARNING)
    assert found.code == Code.PERMISSION_MISSING
    assert found.message == "This key is missing 1 permission that the portal uses."
    assert chips(found, CheckStatus.FAILED) == [right.title]
    name = f"{NAMES[right.service]}_{right.level.lower()}"
    sentence = (
        f"{right.title}: {right.level.lower()} is missing (Stripe calls it {name}), so {right.without}."
    )
    assert found.steps == (sentence,)
    assert found.features_off == {right.feature_id: sentence}
    assert [item.detail for item in found.items if item.label == right.title] == [name]
    assert found.tag == f"{len(RIGHTS) - 1} of {len(RIGHTS)}"
    assert found.fix_url == "https://dashboard.stripe.com/test/apikeys"


@pytest.mark.parametrize("rights", SUBSETS, ids=len)
async def test_missing_rights_switch_off_exactly_their_features(
    sandbox: RunningSandbox, context_of: ContextOf, rights: list[Right]
) -> None:
    found = await run("permissions", context_of(secret_key=without(sandbox, *rights)))
    expected = by_row(rights)
    assert chips(found, CheckStatus.FAILED) == [right.title for right in expected]
    assert list(found.features_off) == [right.feature_id for right in expected]
    needed = any(right.needed for right in rights)
    assert found.status is (CheckStatus.FAILED if needed else CheckStatus.WARNING)


@pytest.mark.parametrize("right", [r for r in RIGHTS if r.level == "Write"], ids=lambda right: right.service)
async def test_reading_alone_is_not_enough_where_something_is_written(
    sandbox: RunningSandbox, context_of: ContextOf, right: Right
) -> None:
    rights = [name for name in every_right(sandbox) if name != f"{NAMES[right.service]}_write"]
    found = await run("permissions", context_of(secret_key=key_with(sandbox, rights)))
    assert chips(found, CheckStatus.FAILED) == [right.title]
    assert f"(Stripe calls it {NAMES[right.service]}_write)" in found.steps[0]


async def test_a_probe_that_fails_is_not_called_missing(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    sandbox.add_fault(match="GET /v1/products", status=500, times=None)
    found = await run("permissions", context_of())
    assert (found.status, found.code) == (CheckStatus.UNPROVED, Code.PERMISSION_UNKNOWN)
    assert found.message == "Nothing is missing. 1 permission could not be checked."
    assert found.steps == ("Products: Stripe answered 500.",)
    assert (chips(found, CheckStatus.FAILED), chips(found, CheckStatus.UNPROVED)) == ([], ["Products"])
    assert found.features_off == {}


async def test_a_slow_probe_spoils_its_own_row_only(
    sandbox: RunningSandbox, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PROBE_SECONDS", 1.0)
    sandbox.add_fault(match="GET /v1/prices", delay_ms=3000, times=None)
    found = await run("permissions", context_of())
    assert chips(found, CheckStatus.UNPROVED) == ["Prices"]
    assert found.steps == ("Prices: Stripe did not answer in 1 seconds.",)


async def test_a_probe_waits_when_stripe_asks_to_slow_down(
    sandbox: RunningSandbox, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.01)
    sandbox.add_fault(match="GET /v1/events", status=429, times=patience.REPETITIONS)
    assert (await run("permissions", context_of())).status is CheckStatus.PASSED


async def test_a_probe_that_is_asked_to_slow_down_for_long_says_so(
    sandbox: RunningSandbox, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.01)
    sandbox.add_fault(match="GET /v1/events", status=429, times=None)
    before = sandbox.calls().get("GET /v1/events", 0)
    found = await run("permissions", context_of())
    assert found.steps == ("Events: Stripe asks us to slow down.",)
    assert sandbox.calls()["GET /v1/events"] - before == 1 + patience.REPETITIONS


async def test_the_pause_that_stripe_names_is_kept(
    sandbox: RunningSandbox, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than the probe may take, so that keeping it is seen without a clock; the others have time enough.
    monkeypatch.setattr(patience, "LONGEST_PAUSE_SECONDS", 20.0)
    monkeypatch.setattr(probes, "PROBE_SECONDS", 4.0)
    sandbox.add_fault(match="GET /v1/events", status=429, headers={"Retry-After": "8"}, times=1)
    found = await run("permissions", context_of())
    assert chips(found, CheckStatus.UNPROVED) == ["Events"]


async def test_nobody_waits_for_a_pause_that_is_too_long(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    sandbox.add_fault(match="GET /v1/events", status=429, headers={"Retry-After": "60"}, times=None)
    before = sandbox.calls().get("GET /v1/events", 0)
    found = await run("permissions", context_of())
    assert found.steps == ("Events: Stripe asks us to slow down.",)
    assert sandbox.calls()["GET /v1/events"] - before == 1


async def test_when_nothing_answers_the_check_fails_with_the_reason(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    sandbox.add_fault(match="* /v1/**", status=500, times=None)
    found = await run("permissions", context_of())
    assert (found.status, found.code) == (CheckStatus.FAILED, Code.PERMISSION_UNKNOWN)
    assert found.message == "No permission could be checked. Stripe answered 500."


def test_the_features_of_the_plugin_are_those_of_the_rights_and_the_wallets() -> None:
    features = StripePlugin.features
    assert [f.id for f in features] == [*(right.feature_id for right in RIGHTS), WALLETS_FEATURE]
    assert len({feature.id for feature in features}) == len(RIGHTS) + 1
    assert StripePlugin.endpoint_feature in {feature.id for feature in features}
    assert [r.title for r in RIGHTS if r.needed] == ["Customers", "Invoices", "Payment Intents"]
