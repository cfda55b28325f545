"""Calls about webhook endpoints. Dataclasses out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import stripe as stripe_sdk

from plugins.stripe.gateway.client import API_VERSION, ObjectMissing, client_for, translated_errors
from portal.sdk import Secret, Settings

DESCRIPTION = "Workestra Portal"
EVERYTHING = "*"
MOST_ENDPOINTS = 16
"""As many as an account may have in each mode."""


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """An endpoint as Stripe keeps it. `secret` is known at its creation alone."""

    id: str
    url: str
    enabled: bool
    events: frozenset[str]
    api_version: str | None
    created: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    secret: Secret | None = None

    def missing(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The wanted event types that it does not send."""
        return () if EVERYTHING in self.events else tuple(name for name in wanted if name not in self.events)


async def list_endpoints(key: Secret, settings: Settings) -> list[WebhookEndpoint]:
    """Every webhook endpoint of the account in the key's mode; there are at most 16."""
    with translated_errors():
        found = await client_for(key, settings).v1.webhook_endpoints.list_async({"limit": 100})
    return [_endpoint(item) for item in found.data]


async def create_endpoint(
    key: Secret,
    settings: Settings,
    *,
    url: str,
    events: tuple[str, ...],
    metadata: Mapping[str, str] | None = None,
) -> WebhookEndpoint:
    """Create an endpoint; its secret is in the answer and can never be read again."""
    # The SDK spells event names as literals; ours are strings of `domain/`, which the sandbox checks.
    fields: dict[str, Any] = {
        "url": url,
        "enabled_events": list(events),
        "api_version": API_VERSION,
        "description": DESCRIPTION,
        "metadata": dict(metadata or {}),
    }
    with translated_errors(write=True):
        made = await client_for(key, settings).v1.webhook_endpoints.create_async(cast("Any", fields))
    return _endpoint(made)


async def mend_endpoint(
    key: Secret, settings: Settings, *, endpoint: str, url: str, events: tuple[str, ...]
) -> None:
    """Enable an endpoint, and give it this address and these events. Asked twice, it changes nothing more."""
    fields: dict[str, Any] = {"url": url, "enabled_events": list(events), "disabled": False}
    with translated_errors(write=True):
        await client_for(key, settings).v1.webhook_endpoints.update_async(endpoint, cast("Any", fields))


async def delete_endpoint(key: Secret, settings: Settings, endpoint: str) -> None:
    """Delete an endpoint; one that is gone already is no error."""
    try:
        with translated_errors():
            await client_for(key, settings).v1.webhook_endpoints.delete_async(endpoint)
    except ObjectMissing:
        return


def _endpoint(found: stripe_sdk.WebhookEndpoint) -> WebhookEndpoint:
    secret = getattr(found, "secret", None)
    raw = found.to_dict(for_json=True)
    return WebhookEndpoint(
        id=found.id,
        url=found.url,
        enabled=found.status == "enabled",
        events=frozenset(found.enabled_events),
        api_version=found.api_version,
        created=int(raw.get("created") or 0),
        metadata=dict(raw.get("metadata") or {}),
        secret=Secret(secret) if secret else None,
    )
