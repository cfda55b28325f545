"""Who the keys belong to, what the sandbox button fills in, what ends with a connection."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import stripe as stripe_sdk

from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.rights import RIGHTS, titles
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services import connections
from portal.contract.accounts import Account, AccountIdentity
from portal.contract.checks import CheckContext
from portal.contract.descriptions import FieldFeedback
from portal.contract.facts import Mode
from portal.contract.secrets import Secret
from portal.settings import Settings
from tests.plugins.stripe.connecting.asking import restricted
from tests.plugins.stripe.connecting.conftest import ENDPOINT, ContextOf

EffectsOf = Callable[..., Awaitable[list[str]]]
TEMPLATES = Path(connections.__file__).parents[1] / "templates"


async def identity(context: CheckContext) -> AccountIdentity:
    return await connections.identify(context.credentials, context.settings)


async def test_a_secret_key_tells_its_account(context_of: ContextOf) -> None:
    assert await identity(context_of()) == AccountIdentity(
        "acct_1SandboxAccountA", "Sandbox Account A", Mode.TEST
    )


async def test_a_restricted_key_is_told_by_stripes_refusal(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    found = await identity(context_of(secret_key=sandbox.keys.restricted_key))
    assert (found.external_id, found.mode) == ("acct_1SandboxAccountA", Mode.TEST)


async def test_a_refusal_that_names_no_account_leaves_the_keys_own_hint(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    sandbox.add_fault(match="GET /v1/account", status=403, message="No.", times=None)
    assert (await identity(context_of())).external_id == "acct_1SandboxAccountA"


async def test_a_key_that_tells_nothing_is_refused_with_what_to_do(
    sandbox: RunningSandbox, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.add_fault(match="GET /v1/account", status=403, message="No.", times=None)
    monkeypatch.setattr(connections, "ACCOUNT_IN_KEY", re.compile("never"))
    with pytest.raises(connections.AccountUnknown) as refused:
        await identity(context_of())
    assert "Accounts: Read" in refused.value.hint


async def test_a_key_that_may_read_neither_account_nor_balance_can_be_connected(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    key = restricted(sandbox, "rak_accounts_kyc_basic", "rak_balance")
    found = await identity(context_of(secret_key=key))
    assert (found.external_id, found.mode) == ("acct_1SandboxAccountA", Mode.TEST)


async def test_the_sandbox_button_fills_in_what_works(local: Settings, stripe: stripe_sdk.V1Services) -> None:
    await connections.sandbox_credentials(ENDPOINT, local)
    found = await connections.sandbox_credentials(ENDPOINT, local)
    assert found is not None
    assert [endpoint.url for endpoint in stripe.webhook_endpoints.list().data] == [ENDPOINT]
    feedback = {
        name: connections.check_field(name, {k: Secret(v) for k, v in found.items()}, edited=True).tone
        for name in found
    }
    assert feedback == {"publishable_key": "ok", "secret_key": "ok", "webhook_secret": "ok"}


async def test_there_is_no_sandbox_in_production_or_without_its_address(local: Settings) -> None:
    assert await connections.sandbox_credentials(ENDPOINT, replace(local, env="production")) is None
    assert await connections.sandbox_credentials(ENDPOINT, replace(local, plugin_variables={})) is None


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("secret_key", "rk_test_51QaSandbox7xKLm20x7Qd", "rk_test_…x7Qd"),
        ("webhook_secret", "whsec_0123456789abcdef", "whsec_…cdef"),
        ("publishable_key", "pk_test_51QaSandbox7xKLm20", "pk_test_51QaSandbox7xKLm20"),
        ("secret_key", "strange_new_key_9876", "…9876"),
    ],
)
def test_saved_keys_are_shown_by_start_and_end(name: str, value: str, shown: str) -> None:
    assert connections.mask(name, Secret(value)) == shown


@pytest.mark.parametrize(
    ("publishable", "secret", "pill"),
    [
        ("pk_test_1", "sk_test_1", FieldFeedback("warn", "Test keys")),
        ("pk_live_1", "", FieldFeedback("ok", "Live keys")),
        ("pk_live_1", "sk_test_1", FieldFeedback("bad", "Mixed keys")),
        ("", "", None),
    ],
)
def test_the_pill_tells_the_mode(publishable: str, secret: str, pill: FieldFeedback | None) -> None:
    values = {"publishable_key": Secret(publishable), "secret_key": Secret(secret)}
    assert connections.describe_mode(values) == pill


# ---- what goes on after a disconnect

GOES_ON = "charging in Stripe, as nothing is cancelled there."
GENERIC = f"Subscriptions keep {GOES_ON}"
UNLESS = "The webhook endpoint in Stripe stays there, unless you tick the box."


@pytest.fixture
def effects_of(context_of: ContextOf, local: Settings, monkeypatch: pytest.MonkeyPatch) -> EffectsOf:
    """The effects of disconnecting, as sentences, with these features off."""
    monkeypatch.setattr(connections, "current_settings", lambda: local)

    async def ask(**features_off: str) -> list[str]:
        credentials = context_of().credentials
        account = Account(
            7, "stripe", Mode.TEST, "acct_1", "Northwind", credentials, {}, features_off=features_off
        )
        return [effect.text for effect in await connections.disconnect_effects(account)]

    return ask


@pytest.mark.parametrize(
    ("planted", "sentence"),
    [
        ({"active": 1}, f"1 active subscription keeps {GOES_ON}"),
        (
            {"active": 3, "trialing": 1, "past_due": 2, "canceled": 4},
            f"3 active, 1 trialing and 2 past due subscriptions keep {GOES_ON}",
        ),
        (
            {"active": 101},
            f"100 or more active subscriptions keep {GOES_ON}",
        ),
    ],
)
async def test_what_keeps_charging_is_counted_before_a_disconnect(
    sandbox: RunningSandbox, effects_of: EffectsOf, planted: dict[str, int], sentence: str
) -> None:
    for status, count in planted.items():
        sandbox.control("POST", "/subscriptions", {"status": status, "count": count})
    assert await effects_of() == [sentence, UNLESS]


async def test_without_subscriptions_nothing_is_said_of_them(effects_of: EffectsOf) -> None:
    assert await effects_of() == [UNLESS]


@pytest.mark.parametrize("fault", [{"status": 403}, {"status": 500}, {"drop": "before"}], ids=str)
async def test_what_cannot_be_counted_is_said_in_general(
    sandbox: RunningSandbox, effects_of: EffectsOf, fault: dict[str, Any]
) -> None:
    sandbox.add_fault(match="GET /v1/subscriptions", times=None, **fault)
    assert (await effects_of())[0] == GENERIC


async def test_without_the_rights_nothing_is_asked_and_nothing_is_promised(
    sandbox: RunningSandbox, effects_of: EffectsOf
) -> None:
    assert await effects_of(subscriptions="no right", webhook_endpoint="no right") == [
        GENERIC,
        "The webhook endpoint in Stripe stays there. Delete it in Stripe if you do not come back.",
    ]
    assert sandbox.calls() == {}


def test_the_help_lists_exactly_the_rights_that_are_probed() -> None:
    text = (TEMPLATES / "connect_help.html").read_text()
    for level in ("Write", "Read"):
        listed = re.search(rf"<b>{level}</b>: ([^<]+)<", text)
        assert listed is not None
        assert sorted(listed[1].split(", ")) == sorted(titles(level).split(", "))
    assert {right.level for right in RIGHTS} == {"Read", "Write"}


def test_an_event_that_the_sdk_does_not_know_would_be_refused(stripe: stripe_sdk.V1Services) -> None:
    fields = {"url": ENDPOINT, "enabled_events": [*ENDPOINT_EVENTS, "invoice.payed"]}
    with pytest.raises(stripe_sdk.InvalidRequestError):
        stripe.webhook_endpoints.create(cast("Any", fields))
