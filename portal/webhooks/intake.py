"""Intake: prove, store, ring, answer. A 2xx means that the raw event is committed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from portal.accounts.services import account_for_webhook
from portal.contract.errors import EventRefused
from portal.contract.plugin import Account, Plugin, ReceivedEvent
from portal.contract.secrets import Secret
from portal.database.transaction import connection
from portal.errors import PortalError
from portal.failpoints import Failpoint, reach
from portal.queue.connections import DATABASE_FAILED
from portal.queue.rings import ring_now, rings_in_statement
from portal.queue.statements import RING_FRESH
from portal.security.tokens import Purpose, hash_token
from portal.webhooks.deliveries import Delivery
from portal.webhooks.loads import SharedLoads
from portal.webhooks.notes import forget_notes, note_refusal, note_use
from portal.webhooks.proofs import OpenProof, matching_proof, note_delivery

CACHE_SECONDS = 5.0
"""How long a process may know a connection's secrets. They are read again before anything is refused or a
replaced one is accepted, and the insert asks whether it is still connected."""
CACHE_SIZE = 1000
logger = logging.getLogger("portal.webhooks")


class Outcome(StrEnum):
    """What became of a delivery."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    UNKNOWN = "unknown"
    """No connection has this address."""
    NOTED = "noted"
    """No connection has this address yet; somebody who fills in its form waited for this delivery."""


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
    delivery = Delivery(plugin, hash_token(token, Purpose.WEBHOOK), body, headers, datetime.now(UTC))
    proof = await matching_proof(delivery)
    return await (_take(delivery) if proof is None else _take_beside(proof, delivery))


async def _take(delivery: Delivery) -> Outcome:
    known = _known.get(delivery.token_hash)
    if known and known.until > time.monotonic():
        return await _accept(delivery, known, remembered=True)
    return await _accept(delivery, await _load_now(delivery), remembered=False)


def forget_connections() -> None:
    """Drop what this process knows of connections, for tests that change them."""
    _known.clear()
    forget_notes()


async def _take_beside(proof: OpenProof, delivery: Delivery) -> Outcome:
    """Take it in as ever, and note for the one who waits whether the secret they look at signed it."""
    try:
        outcome = await _take(delivery)
    except EventRefused:
        await _try_to_note(proof, delivery)
        raise
    if outcome is not Outcome.UNKNOWN:
        await _try_to_note(proof, delivery)
        return outcome
    if await note_delivery(proof, delivery):
        return Outcome.NOTED
    raise EventRefused("The secret that is being checked did not sign this delivery.")


async def _try_to_note(proof: OpenProof, delivery: Delivery) -> None:
    """A note is for a person's eyes: its failure changes nothing of the answer."""
    try:
        await note_delivery(proof, delivery)
    except (PortalError, *DATABASE_FAILED) as error:
        logger.warning("a delivery was not noted for its proof: %s", type(error).__name__)


async def _accept(delivery: Delivery, known: _Known | None, *, remembered: bool) -> Outcome:
    """Prove and store. What only a remembered connection refuses is asked of the connection as it is now."""
    if known is None:
        return Outcome.UNKNOWN
    try:
        event = delivery.read(_secrets(delivery, known.account))
    except EventRefused as refused:
        # Any other reason stays the same whatever the secrets are.
        if remembered and refused.reason == "signature":
            return await _accept(delivery, await _load_now(delivery), remembered=False)
        note_refusal(known.account.id, refused.reason, delivery.arrived_at)
        raise
    if remembered and _is_replaced(delivery, known.account, event):
        # It may have been removed a moment ago, and from then on it proves nothing.
        return await _accept(delivery, await _load_now(delivery), remembered=False)
    outcome = await _store(delivery, known.account, event)
    if outcome is not Outcome.UNKNOWN:
        secret = _secrets(delivery, known.account)[event.signed_by]
        note_use(known.account.id, secret, delivery.arrived_at)
    return outcome


def _secrets(delivery: Delivery, account: Account) -> tuple[Secret, ...]:
    """What is accepted: the present secrets, then the replaced ones while they are."""
    plugin = delivery.plugin
    return (*plugin.webhook_secrets(account.credentials), *plugin.webhook_secrets(account.previous))


def _is_replaced(delivery: Delivery, account: Account, event: ReceivedEvent) -> bool:
    """Whether only a replaced secret signed the delivery."""
    return event.signed_by >= len(delivery.plugin.webhook_secrets(account.credentials))


async def _load_now(delivery: Delivery) -> _Known | None:
    """The connection as it is after the delivery came in; deliveries that wait share one query."""
    return await _loads.get(delivery.plugin.manifest.id, delivery.token_hash)


async def _load(plugin_id: str, token_hash: bytes) -> _Known | None:
    until = time.monotonic() + CACHE_SECONDS
    account = await account_for_webhook(plugin_id, token_hash)
    if account is None:
        _known.pop(token_hash, None)
        return None
    if len(_known) >= CACHE_SIZE:
        _known.clear()
    _known[token_hash] = _Known(account, until)
    return _known[token_hash]


_loads = SharedLoads(_load)


async def _store(delivery: Delivery, account: Account, event: ReceivedEvent) -> Outcome:
    trouble = _trouble(account, event)
    actor = f"{delivery.plugin.manifest.id}.process_event"
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
            delivery.body,
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
