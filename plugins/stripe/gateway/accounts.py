"""Calls about the account, its keys and its endpoints, for the connect form. Dataclasses out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast

import stripe as stripe_sdk

from plugins.stripe.gateway.client import (
    API_VERSION,
    CallRefused,
    ObjectMissing,
    PermissionMissing,
    client_for,
    translated_errors,
)
from portal.sdk import Secret, Settings

ACCOUNT_IN_MESSAGE = re.compile(r"account '(acct_[A-Za-z0-9]+)'")
EVERYTHING = "*"


class AccountHidden(PermissionMissing):
    """The key may not read the account. `account_id` is known when the refusal named it."""

    def __init__(self, account_id: str | None) -> None:
        super().__init__("The key may not read the account.", right="rak_accounts_kyc_basic_read")
        self.account_id = account_id


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """What the account says about itself."""

    id: str
    title: str
    country: str
    charges_enabled: bool
    payouts_enabled: bool
    disabled_reason: str
    due: tuple[str, ...]
    """Requirements that are due now or past due."""
    capabilities: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a right is there; `right` is Stripe's own name of a missing one."""

    allowed: bool
    right: str = ""


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """An endpoint as Stripe keeps it. `secret` is known at its creation alone."""

    id: str
    url: str
    enabled: bool
    events: frozenset[str]
    api_version: str | None
    secret: Secret | None = None

    def missing(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The wanted event types that it does not send."""
        return () if EVERYTHING in self.events else tuple(name for name in wanted if name not in self.events)


@dataclass(frozen=True, slots=True)
class Proof:
    """A setup intent made only to see whether two keys open the same account."""

    intent: str
    client_secret: Secret


async def read_account(key: Secret, settings: Settings) -> StripeAccount:
    """The account that the key belongs to.

    Raises:
        AccountHidden: the key works but may not read it.
    """
    services = client_for(key, settings).v1
    with translated_errors():
        try:
            found = await services.accounts.retrieve_current_async()
        except stripe_sdk.PermissionError as error:
            named = ACCOUNT_IN_MESSAGE.search(str(getattr(error.error, "message", "")))
            raise AccountHidden(named[1] if named else None) from None
    return _account(found)


async def read_livemode(key: Secret, settings: Settings) -> bool:
    """Whether the key moves real money; proves that the key works where the account is hidden."""
    with translated_errors():
        return bool((await client_for(key, settings).v1.balance.retrieve_async()).livemode)


async def probe_right(key: Secret, settings: Settings, service: str) -> Probe:
    """Whether the key may list what `service` holds."""
    services = client_for(key, settings).v1
    try:
        with translated_errors():
            await getattr(services, service).list_async({"limit": 1})
    except PermissionMissing as error:
        return Probe(allowed=False, right=error.right)
    return Probe(allowed=True)


async def start_proof(key: Secret, settings: Settings) -> Proof:
    """Make a setup intent that is never confirmed."""
    with translated_errors(write=True):
        made = await client_for(key, settings).v1.setup_intents.create_async({"usage": "off_session"})
    return Proof(made.id, Secret(made.client_secret or ""))


async def opens_proof(publishable_key: Secret, settings: Settings, proof: Proof) -> bool:
    """Whether the publishable key sees the setup intent: then both keys open the same account and mode."""
    services = client_for(publishable_key, settings).v1
    try:
        with translated_errors():
            await services.setup_intents.retrieve_async(
                proof.intent, {"client_secret": proof.client_secret.reveal()}
            )
    except (ObjectMissing, CallRefused):
        return False
    return True


async def end_proof(key: Secret, settings: Settings, proof: Proof) -> None:
    """Cancel the setup intent."""
    with translated_errors():
        await client_for(key, settings).v1.setup_intents.cancel_async(proof.intent)


async def list_domains(key: Secret, settings: Settings, host: str) -> dict[str, bool]:
    """The methods that need a registered domain -> whether they are active; empty: it is not registered."""
    with translated_errors():
        found = await client_for(key, settings).v1.payment_method_domains.list_async(
            {"domain_name": host, "enabled": True}
        )
    if not found.data:
        return {}
    domain = found.data[0]
    return {
        "Apple Pay": domain.apple_pay.status == "active",
        "Google Pay": domain.google_pay.status == "active",
        "Link": domain.link.status == "active",
    }


async def list_endpoints(key: Secret, settings: Settings) -> list[WebhookEndpoint]:
    """Every webhook endpoint of the account in the key's mode; there are at most 16."""
    with translated_errors():
        found = await client_for(key, settings).v1.webhook_endpoints.list_async({"limit": 100})
    return [_endpoint(item) for item in found.data]


async def create_endpoint(
    key: Secret, settings: Settings, *, url: str, events: tuple[str, ...]
) -> WebhookEndpoint:
    """Create an endpoint; its secret is in the answer and can never be read again."""
    # The SDK spells event names as literals; ours are strings of `domain/`, which the sandbox checks.
    fields: dict[str, Any] = {
        "url": url,
        "enabled_events": list(events),
        "api_version": API_VERSION,
        "description": "Workestra Portal",
    }
    with translated_errors(write=True):
        made = await client_for(key, settings).v1.webhook_endpoints.create_async(cast("Any", fields))
    return _endpoint(made)


async def delete_endpoint(key: Secret, settings: Settings, endpoint: str) -> None:
    """Delete an endpoint; one that is gone already is no error."""
    try:
        with translated_errors():
            await client_for(key, settings).v1.webhook_endpoints.delete_async(endpoint)
    except ObjectMissing:
        return


async def count_running_subscriptions(key: Secret, settings: Settings) -> int:
    """How many subscriptions Stripe goes on charging, counted up to 100."""
    with translated_errors():
        found = await client_for(key, settings).v1.subscriptions.list_async(
            {"status": "active", "limit": 100}
        )
    return len(found.data)


def _account(found: stripe_sdk.Account) -> StripeAccount:
    raw = found.to_dict(for_json=True)
    profile, shown = raw.get("business_profile") or {}, (raw.get("settings") or {}).get("dashboard") or {}
    requirements = raw.get("requirements") or {}
    due = [*(requirements.get("past_due") or []), *(requirements.get("currently_due") or [])]
    return StripeAccount(
        id=found.id,
        title=shown.get("display_name") or profile.get("name") or raw.get("email") or found.id,
        country=raw.get("country") or "",
        charges_enabled=bool(raw.get("charges_enabled")),
        payouts_enabled=bool(raw.get("payouts_enabled")),
        disabled_reason=requirements.get("disabled_reason") or "",
        due=tuple(dict.fromkeys(due)),
        capabilities=dict(raw.get("capabilities") or {}),
    )


def _endpoint(found: stripe_sdk.WebhookEndpoint) -> WebhookEndpoint:
    secret = getattr(found, "secret", None)
    return WebhookEndpoint(
        id=found.id,
        url=found.url,
        enabled=found.status == "enabled",
        events=frozenset(found.enabled_events),
        api_version=found.api_version,
        secret=Secret(secret) if secret else None,
    )
