"""Events, signatures and rotations for tests of intake."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import stripe as stripe_sdk

from portal.accounts.services import credential_place
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.database.transaction import transaction
from portal.security.sealing import seal
from portal.webhooks.intake import Outcome, receive
from tests.builders import WEBHOOK_SECRET, Connected

NEW_SECRET = "whsec_new_of_the_suite_0123456789abcdef"


def stripe_plugin() -> Plugin:
    """The plugin whose addresses the tests call."""
    plugin = plugin_by_id("stripe")
    assert plugin is not None
    return plugin


def event_body(event_id: str = "evt_1", **changes: Any) -> bytes:
    """A small genuine event."""
    thing = {"id": "in_1", "object": "invoice"}
    event = {"id": event_id, "object": "event", "type": "invoice.paid", "livemode": False}
    return json.dumps(event | {"data": {"object": thing}} | changes).encode()


def signed(body: bytes, *secrets: str, ahead: int = 0) -> dict[str, str]:
    """The headers, with a signature for each secret."""
    stamp = int(time.time()) + ahead
    signature = stripe_sdk.WebhookSignature._compute_signature
    marks = [signature(f"{stamp}.{body.decode()}", secret) for secret in secrets or (WEBHOOK_SECRET,)]
    return {"stripe-signature": ",".join([f"t={stamp}", *(f"v1={mark}" for mark in marks)])}


async def deliver(account: Connected, body: bytes, headers: dict[str, str]) -> Outcome:
    """One delivery to a process that remembers what it remembers."""
    return await receive(stripe_plugin(), account.token, body, headers)


async def rotate(account: Connected, *, overlap: str = "24 hours") -> None:
    """Put NEW_SECRET in the place of the present one, which is accepted for a while longer."""
    place = credential_place(account.id, account.mode, "webhook_secret")
    async with transaction() as tx:
        await tx.connection.execute(
            f"""
            UPDATE connected_account SET secret_used_at = NULL, previous_used_at = NULL,
                sealed_previous = jsonb_build_object(
                    'webhook_secret', sealed_credentials::jsonb -> 'webhook_secret'),
                sealed_credentials = jsonb_set(
                    sealed_credentials::jsonb, '{{webhook_secret}}', to_jsonb($2::text)),
                previous_until = now() + interval '{overlap}'
            WHERE id = $1
            """,  # noqa: S608 - a constant of the test
            account.id,
            seal(Secret(NEW_SECRET), context=place),
        )


async def used(account: Connected) -> tuple[bool, bool]:
    """Whether the present secret, and the previous one, are known to have been used."""
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            "SELECT secret_used_at, previous_used_at FROM connected_account WHERE id = $1", account.id
        )
    assert row is not None
    return row["secret_used_at"] is not None, row["previous_used_at"] is not None


async def stored_ids() -> list[str]:
    """The events that were stored."""
    async with transaction() as tx:
        rows = await tx.connection.fetch("SELECT external_id FROM webhook_event ORDER BY external_id")
    return [row["external_id"] for row in rows]


async def at_once(account: Connected, events: list[tuple[bytes, dict[str, str]]]) -> list[object]:
    """Deliver all side by side; what each came to, errors too."""
    return list(
        await asyncio.gather(
            *(deliver(account, body, headers) for body, headers in events), return_exceptions=True
        )
    )
