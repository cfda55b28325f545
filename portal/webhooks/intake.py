"""Intake: prove, store, ring, answer. A 2xx means that the raw event is committed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from portal.accounts.services import account_for_webhook
from portal.contract.errors import EventRefused
from portal.contract.plugin import Account, Plugin, ReceivedEvent
from portal.database.transaction import connection
from portal.failpoints import Failpoint, reach
from portal.queue.rings import ring_now, rings_in_statement
from portal.queue.statements import RING_FRESH
from portal.security.tokens import Purpose, hash_token

CACHE_SECONDS = 5.0
"""How long a process may know a connection's secrets; the insert asks whether it is still connected."""
CACHE_SIZE = 1000


class Outcome(StrEnum):
    """What became of a delivery."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    UNKNOWN = "unknown"
    """No connection has this address."""


@dataclass(frozen=True, slots=True)
class _Known:
    account: Account
    until: float


_known: dict[bytes, _Known] = {}

_STORE = """
WITH connected AS (
    SELECT id, mode FROM connected_account WHERE id = $1 AND state <> 'disconnected'
), fresh AS (
    INSERT INTO webhook_event (account, mode, external_id, type, object_kind, object_id, group_id,
                               api_version, body, state, error_code, error_words, due_at, received_at)
    SELECT connected.id, connected.mode, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now(), now() FROM connected
    ON CONFLICT (account, external_id) DO NOTHING
    RETURNING id, $12::text AS actor_name, state
)"""
_ANSWER = "SELECT connected.id AS account, fresh.id AS event FROM connected LEFT JOIN fresh ON true"
"""No row: not connected any more. No event: it was stored before."""
_AND_RING = f"{_STORE}, rung AS ({RING_FRESH} WHERE fresh.state = 'received') {_ANSWER}"
_STORE_ONLY = f"{_STORE} {_ANSWER}"


async def receive(plugin: Plugin, token: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """Take one delivery in.

    Args:
        plugin: whose address was called.
        token: the secret part of the address; it finds the connection and proves nothing.
        body: the raw bytes, as signed.
        headers: lower-case names.

    Raises:
        EventRefused: not genuine, not fresh, or not readable.
        DatabaseBusy: nothing was stored; the provider will deliver again.
    """
    account = await _account(plugin, hash_token(token, Purpose.WEBHOOK))
    if account is None:
        return Outcome.UNKNOWN
    secrets = plugin.webhook_secrets(account.credentials)
    if not secrets:
        raise EventRefused("This connection has no signing secret.")
    event = plugin.receive_event(body, headers, secrets, datetime.now(UTC))
    return await _store(plugin, account, event, body)


def forget_connections() -> None:
    """Drop what this process knows of connections, for tests that change them."""
    _known.clear()


async def _account(plugin: Plugin, token_hash: bytes) -> Account | None:
    known = _known.get(token_hash)
    if known and known.until > time.monotonic():
        return known.account
    account = await account_for_webhook(plugin.manifest.id, token_hash)
    if account is None:
        return None
    if len(_known) >= CACHE_SIZE:
        _known.clear()
    _known[token_hash] = _Known(account, time.monotonic() + CACHE_SECONDS)
    return account


async def _store(plugin: Plugin, account: Account, event: ReceivedEvent, body: bytes) -> Outcome:
    trouble = _trouble(account, event)
    actor = f"{plugin.manifest.id}.process_event"
    in_statement = rings_in_statement()
    async with connection() as held:
        answer = await held.fetchrow(
            _AND_RING if in_statement else _STORE_ONLY,
            account.id,
            event.external_id,
            event.type,
            event.object_kind,
            event.object_id,
            event.group_id,
            event.api_version,
            body,
            "rejected" if trouble else "received",
            "EVENT_QUARANTINED" if trouble else "",
            trouble,
            actor,
        )
    if answer is None:
        return Outcome.UNKNOWN
    stored = answer["event"]
    if stored is None:
        return Outcome.DUPLICATE
    reach(Failpoint.INTAKE_STORED)
    if trouble:
        return Outcome.QUARANTINED
    if not in_statement:
        await ring_now(actor, stored)
    return Outcome.STORED


def _trouble(account: Account, event: ReceivedEvent) -> str:
    """Why a genuine event must have no effect here; empty when it may."""
    if event.mode is not account.mode:
        return f"A {event.mode} event arrived at the address of a {account.mode} connection."
    if event.account_external_id and event.account_external_id != account.external_id:
        return "The event belongs to another account."
    return ""
