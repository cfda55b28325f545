"""A new endpoint whose secret is not stored, or that is never opened: what delivered before still does."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.checks.findings import PREVIOUS
from plugins.stripe.domain.codes import Code
from plugins.stripe.domain.endpoints import SILENT_EVENTS, RepairId, marks
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.endpoints import MOST_ENDPOINTS
from plugins.stripe.plugin import StripePlugin
from portal.contract.checks import CheckContext, CheckStatus
from portal.contract.secrets import Secret
from tests.plugins.stripe.connecting.asking import add_endpoint, run
from tests.plugins.stripe.connecting.conftest import ENDPOINT, SIGNING
from tests.plugins.stripe.connecting.test_endpoint_repairs import (
    ACCOUNT,
    HERE,
    Endpoints,
    mend,
    passes,
    saved,
    there,
)

__all__ = ["saved", "there"]
OLDER = {"api_version": "2025-09-30.clover"}
RENEWING = pytest.mark.parametrize(
    ("had", "name"),
    [
        ([{"metadata": marks(HERE, ACCOUNT)}], RepairId.CREATE_ENDPOINT),
        ([OLDER], RepairId.FIX_ENDPOINT),
        ([{}, {}], RepairId.REMOVE_TWINS),
    ],
    ids=["made again", "other version", "twins"],
)


@RENEWING
async def test_a_repair_of_a_saved_connection_leaves_what_delivers_until_its_secret_is_stored(
    *,
    saved: CheckContext,
    there: Endpoints,
    stripe: stripe_sdk.V1Services,
    had: list[dict[str, Any]],
    name: str,
) -> None:
    delivering = {add_endpoint(stripe, **fields) for fields in had}
    await mend(name, saved)  # and the process ends before the secret is stored
    assert delivering < set(there())
    (new,) = set(there()) - delivering
    assert there()[new].enabled_events == list(SILENT_EVENTS)
    assert all(set(there()[one].enabled_events) == set(ENDPOINT_EVENTS) for one in delivering)


@RENEWING
async def test_once_its_secret_is_stored_the_new_endpoint_sends_and_the_old_ones_go_with_theirs(
    *,
    saved: CheckContext,
    there: Endpoints,
    stripe: stripe_sdk.V1Services,
    had: list[dict[str, Any]],
    name: str,
) -> None:
    old = {add_endpoint(stripe, **fields) for fields in had}
    done = await mend(name, saved)
    assert "until" in done.message
    await StripePlugin().open_endpoint(saved)
    (new,) = set(there()) - old
    assert set(there()[new].enabled_events) == set(ENDPOINT_EVENTS)
    await StripePlugin().retire_endpoint(saved)
    assert set(there()) == {new}
    assert await passes(saved)


async def test_without_room_for_a_second_endpoint_the_old_one_gives_way(
    saved: CheckContext, there: Endpoints, stripe: stripe_sdk.V1Services
) -> None:
    old = add_endpoint(stripe, **OLDER)
    for number in range(MOST_ENDPOINTS - 1):
        add_endpoint(stripe, url=f"https://shop{number}.example.com/hook")
    await mend(RepairId.FIX_ENDPOINT, saved)
    here = [one for one in there().values() if one.url == ENDPOINT]
    assert [set(one.enabled_events) for one in here] == [set(ENDPOINT_EVENTS)]
    assert old not in there()


async def test_the_end_of_the_overlap_opens_an_endpoint_that_was_never_opened(
    saved: CheckContext, there: Endpoints, stripe: stripe_sdk.V1Services
) -> None:
    old, plugin = add_endpoint(stripe), StripePlugin()
    await plugin.replace_endpoint(saved)
    (new,) = set(there()) - {old}
    await plugin.retire_endpoint(saved)
    assert set(there()[new].enabled_events) == set(ENDPOINT_EVENTS)


async def test_an_endpoint_that_outlived_its_secret_is_told_of_and_mended(
    saved: CheckContext, there: Endpoints, stripe: stripe_sdk.V1Services
) -> None:
    old, plugin = add_endpoint(stripe), StripePlugin()
    await plugin.replace_endpoint(saved)
    await plugin.open_endpoint(saved)
    saved.other_secrets = {PREVIOUS: Secret(SIGNING)}
    assert await passes(saved)
    saved.other_secrets = {}
    saved.facts.clear()
    found = await run("webhook_endpoint", saved)
    assert (found.status, found.code) == (CheckStatus.WARNING, Code.ENDPOINT_TWINS)
    assert "is refused" in found.message
    assert [repair.id for repair in found.repairs] == [RepairId.REMOVE_TWINS]
    await mend(RepairId.REMOVE_TWINS, saved)
    assert old in there()  # its secret may be the one that is stored
    await plugin.open_endpoint(saved)
    await plugin.retire_endpoint(saved)
    assert old not in there()
    assert len(there()) == 1
    assert await passes(saved)
