"""Running one check against the sandbox, and putting things into the sandbox to be found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import stripe as stripe_sdk

from plugins.stripe.checks import CHECKS
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.client import API_VERSION
from plugins.stripe.sandbox.keys import WORLDS
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.contract.checks import CheckContext, CheckResult, CheckStatus
from tests.plugins.stripe.connecting.conftest import ENDPOINT

OTHER = next(world for world in WORLDS if world.name == "b-test")
LIVE = next(world for world in WORLDS if world.name == "a-live")
BY_ID = {check.id: check for check in CHECKS}
ALONE = tuple(check for check in CHECKS if check.id != "signing_secret")
"""Those that ask Stripe alone; the other one waits for a delivery to a portal with a database."""
READ_ACCOUNT = "rak_accounts_kyc_basic_read"


async def run(name: str, context: CheckContext) -> CheckResult:
    return await BY_ID[name].run(context)


def add_endpoint(stripe: stripe_sdk.V1Services, **fields: Any) -> str:
    given = {"url": ENDPOINT, "enabled_events": list(ENDPOINT_EVENTS), "api_version": API_VERSION, **fields}
    return stripe.webhook_endpoints.create(cast("Any", given)).id


def every_right(sandbox: RunningSandbox) -> list[str]:
    """What the ready-made restricted key may, and reading the account besides."""
    keys = sandbox.control("GET", "/keys")["data"]
    ready = next(key for key in keys if key["text"] == sandbox.keys.restricted_key)
    return [*ready["permissions"], READ_ACCOUNT]


def restricted(sandbox: RunningSandbox, *without: str) -> str:
    """A key with every right but these, named without the ending."""
    rights = [right for right in every_right(sandbox) if right.rpartition("_")[0] not in without]
    return key_with(sandbox, rights)


def key_with(sandbox: RunningSandbox, rights: Iterable[str]) -> str:
    return str(sandbox.control("POST", "/keys", {"permissions": list(rights)})["key"])


def chips(found: CheckResult, status: CheckStatus) -> list[str]:
    return [item.label for item in found.items if item.status is status]
