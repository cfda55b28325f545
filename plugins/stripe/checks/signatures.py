"""The signing secret check: Stripe never tells a secret again, so only an event that it signed proves it.

A customer is made and deleted in Stripe, and the event of its creation is waited for at the public address.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from plugins.stripe.checks import findings
from plugins.stripe.checks.learning import endpoints_of
from plugins.stripe.checks.words import answers_in_words
from plugins.stripe.domain import keys
from plugins.stripe.domain.signatures import API_KEYS, HEADER, Diagnosis, Evidence, Finding, diagnose
from plugins.stripe.gateway import markers
from plugins.stripe.gateway.client import PermissionMissing
from portal.sdk import (
    AccountAuthFailed,
    CheckContext,
    CheckResult,
    CheckStatus,
    OutcomeUnknown,
    PortalError,
    Reached,
    SeenDelivery,
    WaitingProof,
    delivery_proof,
    reach_endpoint,
)

WAIT_SECONDS = 6.0
"""From the start of the check to the end of waiting; what follows fits into the check's deadline too."""
MORE_SECONDS = 1.0
"""How long to wait for a second delivery when the first is not genuine: a replaced endpoint delivers too."""
LOOK_SECONDS = 1.5
REMOVE_SECONDS = 1.5
FRESH = timedelta(hours=26)
"""A nightly check that finds an event this young need not make another one."""
FIRST_TO_MEND = (*(one for one in Finding if one is not Finding.GENUINE), Finding.GENUINE)
TEST_EVENTS = ("customer.created",)
logger = logging.getLogger("portal.stripe")
_removing: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, slots=True)
class _Wait:
    """What a test event came to."""

    marker: str
    seconds: float
    """From the change in Stripe to the end of waiting."""
    arrived: tuple[SeenDelivery, ...]

    @property
    def genuine(self) -> bool:
        """Whether the secret signed one of the deliveries."""
        return any(delivery.signed_by is not None for delivery in self.arrived)


@answers_in_words
async def check_signing_secret(context: CheckContext) -> CheckResult:
    """Its form, then a real event: proved, or why not."""
    if trouble := _malformed(context) or _not_to_be_asked(context):
        return trouble
    if (arrived_at := _fresh_event(context)) is not None:
        day = f"{arrived_at.astimezone(ZoneInfo(context.time_zone)):%-d %b %Y at %H:%M}"
        return CheckResult(CheckStatus.PASSED, f"Proved by an event that arrived on {day}.")
    reaching = asyncio.create_task(_reach(context.endpoint_url))
    try:
        async with delivery_proof(context.endpoint_url, [context.credentials["webhook_secret"]]) as proof:
            waited = await _wait(context, proof)
        if waited.genuine:
            return CheckResult(CheckStatus.PASSED, f"Proved in {waited.seconds:.1f} s.")
        return await _explain(context, waited, reaching)
    except PermissionMissing:
        return findings.not_allowed(context)
    finally:
        reaching.cancel()
        await asyncio.wait([reaching])


def _malformed(context: CheckContext) -> CheckResult | None:
    secret = context.credentials["webhook_secret"].reveal()
    if keys.clean(secret).startswith(API_KEYS):
        return findings.describe(context, Diagnosis(Finding.KEY_PASTED))
    verdict = keys.judge("webhook_secret", {"webhook_secret": secret}, finished=True)
    if verdict.blocks or not keys.clean(secret):
        return findings.malformed(context, verdict.message or "The signing secret is missing.")
    return None


def _not_to_be_asked(context: CheckContext) -> CheckResult | None:
    """Nothing is made in Stripe with a key that the format check refuses."""
    values = {name: context.credentials[name].reveal() for name in ("secret_key", "publishable_key")}
    if not keys.clean(values["secret_key"]) or keys.judge("secret_key", values, finished=True).blocks:
        return CheckResult(CheckStatus.SKIPPED, "Not checked because the keys are not well formed.")
    return None


def _fresh_event(context: CheckContext) -> datetime | None:
    """When an event proved the secret lately, where that is enough: it may have been the previous one's."""
    arrived_at = context.facts.get("event_arrived_at")
    if context.thorough or findings.PREVIOUS in context.other_secrets or not isinstance(arrived_at, datetime):
        return None
    return arrived_at if datetime.now(UTC) - arrived_at < FRESH else None


async def _reach(endpoint_url: str) -> Reached | None:
    try:
        return await reach_endpoint(endpoint_url)
    except PortalError:
        return None  # an address that is not this portal's own any more: nothing can be told


async def _wait(context: CheckContext, proof: WaitingProof) -> _Wait:
    began = time.monotonic()
    async with _marker_in_stripe(context, proof.marker):
        rest = WAIT_SECONDS - (time.monotonic() - began)
        arrived = await proof.wait(max(rest, 0), then=MORE_SECONDS)
        return _Wait(proof.marker, time.monotonic() - began, arrived)


@asynccontextmanager
async def _marker_in_stripe(context: CheckContext, marker: str) -> AsyncIterator[None]:
    """A customer in Stripe for the length of a block, deleted however the block ends."""
    making = asyncio.create_task(
        markers.create_marker(context.credentials["secret_key"], context.settings, marker)
    )
    try:
        await _answered(making)
        yield
    finally:
        # A task of its own: who leaves the page in the middle of it still leaves no customer behind.
        removing = asyncio.create_task(_remove(context, marker, making))
        _removing.add(removing)
        removing.add_done_callback(_removing.discard)
        await asyncio.shield(removing)


async def _answered(making: asyncio.Task[str]) -> None:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.shield(making)
    except TimeoutError:
        raise OutcomeUnknown(f"Stripe did not answer in {WAIT_SECONDS:g} seconds.") from None


async def _remove(context: CheckContext, marker: str, making: asyncio.Task[str]) -> None:
    key, settings = context.credentials["secret_key"], context.settings
    try:
        async with asyncio.timeout(REMOVE_SECONDS):
            customer = await _made(context, marker, making)
            if customer:
                await markers.delete_marker(key, settings, customer)
    except (PortalError, TimeoutError) as error:
        logger.warning("the customer of a connection test may be left in Stripe: %s", type(error).__name__)


async def _made(context: CheckContext, marker: str, making: asyncio.Task[str]) -> str | None:
    """The customer's id; one whose creation was not answered is looked for."""
    with contextlib.suppress(PortalError):
        return await making
    if isinstance(making.exception(), PermissionMissing | AccountAuthFailed):
        return None
    return await markers.find_marker(context.credentials["secret_key"], context.settings, marker)


async def _explain(
    context: CheckContext, waited: _Wait, reaching: asyncio.Task[Reached | None]
) -> CheckResult:
    told, trouble = await asyncio.gather(_told(context, waited.marker), _trouble_of_endpoint(context))
    if waited.arrived:
        found = [_diagnosis(context, delivery, told) for delivery in waited.arrived]
        return findings.describe(context, min(found, key=lambda one: FIRST_TO_MEND.index(one.finding)))
    return findings.nothing_arrived(context, findings.Silence(await reaching, trouble, told))


def _diagnosis(context: CheckContext, delivery: SeenDelivery, told: dict[str, Any] | None) -> Diagnosis:
    evidence = Evidence(
        delivery.body, delivery.headers.get(HEADER, ""), delivery.received_at.timestamp(), told
    )
    others = {label: secret.reveal() for label, secret in context.other_secrets.items()}
    return diagnose(evidence, context.credentials["webhook_secret"].reveal(), others)


async def _told(context: CheckContext, marker: str) -> dict[str, Any] | None:
    """The event as Stripe tells it, where the key may read events and Stripe answers soon."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await markers.find_event(context.credentials["secret_key"], context.settings, marker)
    except (PortalError, TimeoutError):
        return None


async def _trouble_of_endpoint(context: CheckContext) -> str:
    """Why Stripe delivers no test event here, as a sentence; empty: it should, or it cannot be told."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            ours = [one for one in await endpoints_of(context) if one.url == context.endpoint_url]
    except (PortalError, TimeoutError):
        return ""
    if not ours:
        return "Stripe has no endpoint with exactly this address."
    if not any(endpoint.enabled for endpoint in ours):
        return "The endpoint is disabled in Stripe."
    if all(endpoint.missing(TEST_EVENTS) for endpoint in ours if endpoint.enabled):
        return f"The endpoint in Stripe does not send {TEST_EVENTS[0]}."
    return ""
