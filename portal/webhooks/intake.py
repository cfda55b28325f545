"""Intake: prove, store, ring, answer. A 2xx means that the raw event is committed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from portal.accounts.services import account_for_webhook
from portal.contract.accounts import Account
from portal.contract.errors import EventRefused
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.contract.work import ReceivedEvent
from portal.database.transaction import Connection, connection
from portal.errors import PortalError
from portal.failpoints import Failpoint, reach
from portal.queue.connections import DATABASE_FAILED
from portal.security.tokens import Purpose, hash_token
from portal.sync.counts import count_for
from portal.webhooks.batches import Batches, NewEvent, NotStored, Stored
from portal.webhooks.deliveries import Delivery
from portal.webhooks.inserts import store_events, trouble_with
from portal.webhooks.loads import SharedLoads
from portal.webhooks.notes import forget_notes, note_refusal, note_use
from portal.webhooks.proofs import OpenProof, matching_proof, note_delivery
from portal.webhooks.rings import stop_rings

CACHE_SECONDS = 5.0
"""How long a process may know a connection's secrets. They are read again before anything is refused or a
replaced one is accepted, and the insert asks whether they are still the connection's."""
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


COUNTED = {
    Outcome.STORED: "accepted",
    Outcome.DUPLICATE: "duplicate",
    Outcome.QUARANTINED: "quarantined",
}
"""Under which name a delivery is counted by the hour."""


@dataclass(frozen=True, slots=True)
class _Known:
    account: Account
    version: int
    until: float
    stamp: str
    """Which state of its row this is; read before the account, so it is never newer than that."""
    secrets: tuple[Secret, ...] = field(repr=False)
    """What is accepted: the present secrets, then the replaced ones while they are."""
    present: int
    """How many of them are present ones."""


_known: dict[bytes, _Known] = {}
_STAMP = """
SELECT concat_ws(' ', xmin, ctid, previous_until > now()) AS stamp, version FROM connected_account
WHERE webhook_token_hash = $1 AND plugin = $2 AND state <> 'disconnected'
"""


async def _store_batch(held: Connection, events: Sequence[NewEvent]) -> Sequence[Stored]:
    stored = await store_events(held, events)
    if any(isinstance(answer, int) for answer in stored):
        reach(Failpoint.INTAKE_STORED)
    return stored


_batches = Batches(_store_batch)


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


async def stop_intake() -> None:
    """Give back what intake holds; called when the process ends."""
    await _batches.stop()
    await stop_rings()


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
        event = delivery.read(known.secrets)
    except EventRefused as refused:
        # Any other reason stays the same whatever the secrets are.
        if remembered and refused.reason == "signature":
            return await _accept(delivery, await _load_now(delivery), remembered=False)
        note_refusal(known.account.id, refused.reason, delivery.arrived_at)
        raise
    if remembered and event.signed_by >= known.present:
        # By a replaced secret. It may have been removed a moment ago, and from then on it proves nothing.
        return await _accept(delivery, await _load_now(delivery), remembered=False)
    outcome = await _store(delivery, known, event)
    if outcome is None:
        return await _accept(delivery, await _load_now(delivery), remembered=False)
    if outcome is not Outcome.UNKNOWN:
        count_for(known.account.id, COUNTED[outcome])
        note_use(known.account.id, known.secrets[event.signed_by], delivery.arrived_at)
    return outcome


async def _load_now(delivery: Delivery) -> _Known | None:
    """The connection as it is after the delivery came in; deliveries that wait share one query."""
    return await _loads.get(delivery.plugin.manifest.id, delivery.token_hash)


async def _load(plugin_id: str, token_hash: bytes) -> _Known | None:
    until = time.monotonic() + CACHE_SECONDS
    found = await _read_stamp(plugin_id, token_hash)
    known = _known.pop(token_hash, None)
    if found is None:
        return None
    stamp, version = found
    if known is None or known.stamp != stamp:
        account = await account_for_webhook(plugin_id, token_hash)
        plugin = plugin_by_id(plugin_id)
        if account is None or plugin is None:
            return None
        present = tuple(plugin.webhook_secrets(account.credentials))
        secrets = (*present, *plugin.webhook_secrets(account.previous))
        known = _Known(account, version, until, stamp, secrets, len(present))
    if len(_known) >= CACHE_SIZE:
        _known.clear()
    _known[token_hash] = replace(known, until=until)
    return _known[token_hash]


async def _read_stamp(plugin_id: str, token_hash: bytes) -> tuple[str, int] | None:
    """Another text after every change of the connection, also when time ends a secret, and its version.

    None: it is gone.

    Asking for it costs a tenth of reading the connection and opening its secrets, which is what a flood of
    bad signatures would otherwise make the database and this process do.
    """
    async with connection() as held:
        row = await held.fetchrow(_STAMP, token_hash, plugin_id)
    return (row["stamp"], row["version"]) if row else None


_loads = SharedLoads(_load)


async def _store(delivery: Delivery, known: _Known, event: ReceivedEvent) -> Outcome | None:
    """None: the connection changed, so that its proof must be looked at again."""
    reach(Failpoint.INTAKE_PROVED)
    trouble = trouble_with(known.account, event)
    stored = await _batches.put(NewEvent(known.account.id, known.version, event, delivery.body, trouble))
    if stored is NotStored.CHANGED:
        return None
    if stored is NotStored.NOT_CONNECTED:
        return Outcome.UNKNOWN
    if stored is NotStored.KNOWN:
        return Outcome.DUPLICATE
    return Outcome.QUARANTINED if trouble else Outcome.STORED
