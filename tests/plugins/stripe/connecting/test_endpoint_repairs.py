"""Mending endpoints at Stripe: pressed twice, with a lost answer, and without touching what is not ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.domain.codes import Code
from plugins.stripe.domain.endpoints import SILENT_EVENTS, RepairId, marks
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.client import API_VERSION, PermissionMissing
from plugins.stripe.gateway.signatures import verify_signature
from plugins.stripe.plugin import StripePlugin
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services import repairs
from portal.contract.accounts import Account, Repaired
from portal.contract.checks import CheckContext, CheckStatus
from portal.contract.errors import OutcomeUnknown, ProviderError
from portal.contract.facts import Mode
from portal.errors import NotFound
from tests.plugins.stripe.connecting.asking import add_endpoint, restricted, run
from tests.plugins.stripe.connecting.conftest import ENDPOINT, ContextOf
from tests.plugins.stripe.sandbox.receivers import receiver

HERE, ACCOUNT = "instance-of-the-test", 7
EARLIER = ENDPOINT.replace("token-of-the-test", "token-of-an-earlier-time")
Endpoints = Callable[[], dict[str, stripe_sdk.WebhookEndpoint]]


@pytest.fixture
def saved(context_of: ContextOf) -> CheckContext:
    """A connection that is saved, in this installation."""
    context = context_of()
    context.instance, context.account_id = HERE, ACCOUNT
    return context


@pytest.fixture
def there(stripe: stripe_sdk.V1Services) -> Endpoints:
    """What Stripe has now."""
    return lambda: {found.id: found for found in stripe.webhook_endpoints.list({"limit": 100}).data}


async def mend(name: str, context: CheckContext) -> Repaired:
    return await StripePlugin().repair(name, context)


async def settled(name: str, context: CheckContext) -> Repaired:
    """As the portal goes on: the secret is stored, the endpoint opened, and what it replaced retired."""
    done = await mend(name, context)
    await StripePlugin().open_endpoint(context)
    await StripePlugin().retire_endpoint(context)
    return done


async def passes(context: CheckContext) -> bool:
    context.facts.clear()
    return (await run("webhook_endpoint", context)).status is CheckStatus.PASSED


async def test_an_unknown_repair_is_none(saved: CheckContext) -> None:
    with pytest.raises(NotFound):
        await mend("create_everything", saved)


async def test_the_endpoint_is_made_with_our_events_version_and_marks(
    saved: CheckContext, there: Endpoints
) -> None:
    done = await mend(RepairId.CREATE_ENDPOINT, saved)
    (made,) = there().values()
    assert (made.url, made.status, made.api_version) == (ENDPOINT, "enabled", API_VERSION)
    assert set(made.enabled_events) == set(ENDPOINT_EVENTS)
    assert made.metadata.to_dict() == marks(HERE, ACCOUNT)
    assert list(done.credentials) == ["webhook_secret"]
    assert done.credentials["webhook_secret"].reveal().startswith("whsec_")
    assert "whsec_" not in repr(done)
    assert await passes(saved)


async def test_made_twice_there_is_one_and_the_second_secret_is_its(
    saved: CheckContext, there: Endpoints
) -> None:
    first = await mend(RepairId.CREATE_ENDPOINT, saved)
    (before,) = there()
    second = await settled(RepairId.CREATE_ENDPOINT, saved)
    (after,) = there()
    assert before != after
    assert first.credentials != second.credentials


@pytest.mark.parametrize("drop", ["before", "after"])
async def test_an_answer_that_was_lost_leaves_one_endpoint_after_the_next_press(
    sandbox: RunningSandbox, saved: CheckContext, there: Endpoints, drop: str
) -> None:
    sandbox.add_fault(match="POST /v1/webhook_endpoints", drop=drop)
    with pytest.raises(OutcomeUnknown):
        await mend(RepairId.CREATE_ENDPOINT, saved)
    assert (await settled(RepairId.CREATE_ENDPOINT, saved)).credentials
    assert len(there()) == 1
    assert await passes(saved)


async def test_an_endpoint_that_somebody_made_by_hand_is_not_replaced(
    saved: CheckContext, there: Endpoints, stripe: stripe_sdk.V1Services
) -> None:
    made = add_endpoint(stripe)
    with pytest.raises(repairs.EndpointExists) as refused:
        await mend(RepairId.CREATE_ENDPOINT, saved)
    assert (refused.value.code, list(there())) == (Code.ENDPOINT_EXISTS, [made])


async def test_an_endpoint_is_enabled_completed_and_moved_to_the_exact_address(
    saved: CheckContext, there: Endpoints, stripe: stripe_sdk.V1Services
) -> None:
    made = add_endpoint(stripe, url=ENDPOINT + "/", enabled_events=["invoice.paid", "payout.failed"])
    stripe.webhook_endpoints.update(made, {"disabled": True})
    for _ in range(2):
        done = await mend(RepairId.FIX_ENDPOINT, saved)
        assert done.credentials == {}
        (fixed,) = there().values()
        assert (fixed.id, fixed.url, fixed.status) == (made, ENDPOINT, "enabled")
        assert set(fixed.enabled_events) == {*ENDPOINT_EVENTS, "payout.failed"}
    assert await passes(saved)


async def test_an_endpoint_for_everything_stays_one(
    saved: CheckContext, there: Endpoints, stripe: stripe_sdk.V1Services
) -> None:
    made = add_endpoint(stripe, enabled_events=["*"])
    stripe.webhook_endpoints.update(made, {"disabled": True})
    await mend(RepairId.FIX_ENDPOINT, saved)
    assert there()[made].enabled_events == ["*"]


async def test_an_endpoint_of_another_version_is_replaced_and_its_secret_comes_back(
    saved: CheckContext, there: Endpoints, stripe: stripe_sdk.V1Services
) -> None:
    old = add_endpoint(stripe, api_version="2025-09-30.clover")
    done = await settled(RepairId.FIX_ENDPOINT, saved)
    (new,) = there().values()
    assert (new.id != old, new.api_version) == (True, API_VERSION)
    assert list(done.credentials) == ["webhook_secret"]
    assert await passes(saved)


async def test_without_an_endpoint_there_is_nothing_to_fix(saved: CheckContext) -> None:
    with pytest.raises(repairs.EndpointGone):
        await mend(RepairId.FIX_ENDPOINT, saved)


async def test_of_twins_one_is_left_whose_secret_we_hold(
    saved: CheckContext, there: Endpoints, stripe: stripe_sdk.V1Services
) -> None:
    twins = {add_endpoint(stripe), add_endpoint(stripe)}
    other = add_endpoint(stripe, url="https://shop.example.com/hook")
    done = await settled(RepairId.REMOVE_TWINS, saved)
    left = set(there()) - {other}
    assert len(left) == 1
    assert not left & twins
    assert done.credentials
    again = await mend(RepairId.REMOVE_TWINS, saved)
    assert (again.credentials, set(there()) - {other}) == ({}, left)
    assert await passes(saved)


async def test_only_orphans_of_this_connection_are_deleted(
    saved: CheckContext, there: Endpoints, stripe: stripe_sdk.V1Services
) -> None:
    ours = add_endpoint(stripe, url=EARLIER, metadata=marks(HERE, ACCOUNT))
    of_the_form = add_endpoint(stripe, url=EARLIER, metadata=marks(HERE, None))
    kept = {
        add_endpoint(stripe),
        add_endpoint(stripe, url=EARLIER),
        add_endpoint(stripe, url=EARLIER, metadata=marks(HERE, ACCOUNT + 1)),
        add_endpoint(stripe, url=EARLIER, metadata=marks("instance-of-somebody-else", ACCOUNT)),
        add_endpoint(stripe, url="https://shop.example.com/hook"),
    }
    assert set(there()) == kept | {ours, of_the_form}
    await mend(RepairId.REMOVE_ORPHANS, saved)
    assert set(there()) == kept
    await mend(RepairId.REMOVE_ORPHANS, saved)
    assert set(there()) == kept


@pytest.mark.parametrize(("account_id", "instance"), [(None, HERE), (ACCOUNT, "")])
async def test_who_is_not_known_deletes_no_orphan(
    *,
    saved: CheckContext,
    there: Endpoints,
    stripe: stripe_sdk.V1Services,
    account_id: int | None,
    instance: str,
) -> None:
    add_endpoint(stripe, url=EARLIER, metadata=marks(HERE, ACCOUNT))
    add_endpoint(stripe, url=EARLIER, metadata=marks(HERE, None))
    saved.account_id, saved.instance = account_id, instance
    await mend(RepairId.REMOVE_ORPHANS, saved)
    assert len(there()) == 2


async def test_a_right_that_is_missing_is_told_by_the_repair(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    with pytest.raises(PermissionMissing, match="rak_webhook_read"):
        await mend(RepairId.CREATE_ENDPOINT, context_of(secret_key=restricted(sandbox, "rak_webhook")))


@pytest.mark.parametrize(
    ("had", "act"),
    [
        ([], repairs.create_endpoint),
        ([{"metadata": marks(HERE, ACCOUNT)}], repairs.create_endpoint),
        ([{"api_version": "2025-09-30.clover"}], repairs.fix_endpoint),
        ([{}, {}], repairs.remove_twins),
        ([{}], repairs.replace_endpoint),
    ],
    ids=["made", "made again", "other version", "twins", "rotated"],
)
async def test_the_secret_that_comes_back_signs_what_arrives(
    saved: CheckContext,
    stripe: stripe_sdk.V1Services,
    had: list[dict[str, Any]],
    act: Callable[[CheckContext], Awaitable[Repaired]],
) -> None:
    with receiver() as inbox:
        saved.endpoint_url = inbox.url
        for fields in had:
            add_endpoint(stripe, url=inbox.url, **fields)
        secret = (await act(saved)).credentials["webhook_secret"]
        await repairs.open_endpoint(saved)
        await repairs.retire_endpoint(saved)
        stripe.customers.create({"name": "Ada"})
        inbox.wait_for(lambda box: bool(box.deliveries))
        ((header, body),) = inbox.deliveries
    assert verify_signature(body, header, [secret], datetime.now(UTC)) == 0


# ---- rotating the signing secret


async def test_a_replacement_is_silent_until_it_is_opened_and_then_the_old_one_goes(
    saved: CheckContext, there: Endpoints
) -> None:
    plugin = StripePlugin()
    first = await mend(RepairId.CREATE_ENDPOINT, saved)
    (old,) = there()
    second = await plugin.replace_endpoint(saved)
    assert second.credentials != first.credentials
    (new,) = set(there()) - {old}
    assert there()[new].enabled_events == list(SILENT_EVENTS)
    await plugin.retire_endpoint(saved)
    assert set(there()) == {old, new}
    for _ in range(2):
        await plugin.open_endpoint(saved)
        assert set(there()[new].enabled_events) == set(ENDPOINT_EVENTS)
        assert set(there()) == {old, new}
    for _ in range(2):
        await plugin.retire_endpoint(saved)
        assert set(there()) == {new}
    assert await passes(saved)


async def test_a_replacement_whose_answer_was_lost_is_made_anew(
    sandbox: RunningSandbox, saved: CheckContext, there: Endpoints
) -> None:
    plugin = StripePlugin()
    await mend(RepairId.CREATE_ENDPOINT, saved)
    (old,) = there()
    sandbox.add_fault(match="POST /v1/webhook_endpoints", drop="after")
    with pytest.raises(OutcomeUnknown):
        await plugin.replace_endpoint(saved)
    (lost,) = set(there()) - {old}
    assert (await plugin.replace_endpoint(saved)).credentials
    assert old in there()
    assert lost not in there()
    assert len(there()) == 2


async def test_a_second_rotation_keeps_what_delivers_until_it_is_replaced_too(
    saved: CheckContext, there: Endpoints
) -> None:
    plugin = StripePlugin()
    await mend(RepairId.CREATE_ENDPOINT, saved)
    (first,) = there()
    await plugin.replace_endpoint(saved)
    await plugin.open_endpoint(saved)
    (second,) = set(there()) - {first}
    await plugin.replace_endpoint(saved)
    assert {first, second} < set(there())
    await plugin.open_endpoint(saved)
    await plugin.retire_endpoint(saved)
    (third,) = there()
    assert third not in {first, second}


async def test_a_hand_made_endpoint_can_be_replaced_too(
    saved: CheckContext, there: Endpoints, stripe: stripe_sdk.V1Services
) -> None:
    plugin = StripePlugin()
    old = add_endpoint(stripe)
    await plugin.replace_endpoint(saved)
    await plugin.open_endpoint(saved)
    await plugin.retire_endpoint(saved)
    assert old not in there()
    assert await passes(saved)


async def test_opening_without_an_endpoint_says_so(saved: CheckContext) -> None:
    with pytest.raises(repairs.EndpointGone):
        await StripePlugin().open_endpoint(saved)


async def test_a_key_that_may_not_see_endpoints_has_nothing_to_retire(
    sandbox: RunningSandbox, context_of: ContextOf, stripe: stripe_sdk.V1Services
) -> None:
    add_endpoint(stripe)
    await StripePlugin().retire_endpoint(context_of(secret_key=restricted(sandbox, "rak_webhook")))
    assert len(stripe.webhook_endpoints.list().data) == 1


# ---- disconnecting


def account(context: CheckContext) -> Account:
    return Account(ACCOUNT, "stripe", Mode.TEST, "acct_1", "Northwind", context.credentials, {})


async def test_disconnecting_removes_what_is_at_exactly_this_address(
    saved: CheckContext, there: Endpoints, stripe: stripe_sdk.V1Services
) -> None:
    add_endpoint(stripe)
    add_endpoint(stripe)
    kept = {add_endpoint(stripe, url=ENDPOINT + "/"), add_endpoint(stripe, url=EARLIER)}
    plugin = StripePlugin()
    assert await plugin.remove_endpoint(account(saved), ENDPOINT, saved.settings) == 2
    assert await plugin.remove_endpoint(account(saved), ENDPOINT, saved.settings) == 0
    assert set(there()) == kept


ACTIONS: dict[str, Callable[[CheckContext], Awaitable[object]]] = {
    **repairs.REPAIRS,
    "replace": repairs.replace_endpoint,
    "open": repairs.open_endpoint,
    "retire": repairs.retire_endpoint,
}


@pytest.mark.parametrize("fault", [{"status": 429}, {"status": 500}, {"drop": "before"}], ids=str)
@pytest.mark.parametrize("action", ACTIONS)
async def test_a_repair_that_stripe_does_not_answer_says_so_and_can_be_pressed_again(
    *,
    sandbox: RunningSandbox,
    saved: CheckContext,
    stripe: stripe_sdk.V1Services,
    action: str,
    fault: dict[str, Any],
) -> None:
    marked = marks(HERE, ACCOUNT)
    kept = add_endpoint(stripe, metadata=marked)
    add_endpoint(stripe, metadata={**marked, "portal_replaces": kept}, enabled_events=list(SILENT_EVENTS))
    add_endpoint(stripe, url=EARLIER, metadata=marked)
    sandbox.add_fault(match="* /v1/**", **fault)
    with pytest.raises(ProviderError) as told:
        await ACTIONS[action](saved)
    assert told.value.message.startswith("Stripe ")
    if action != RepairId.REGISTER_DOMAIN:  # needs a public host
        await ACTIONS[action](saved)
