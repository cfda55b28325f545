"""The statement that stores events: identities, events and rings in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from portal.contract.accounts import Account
from portal.contract.work import ReceivedEvent
from portal.database.transaction import Connection, after_commit
from portal.queue.rings import rings_in_statement
from portal.queue.statements import RING_FRESH
from portal.webhooks.batches import NewEvent, NotStored, Stored
from portal.webhooks.rings import Ring, ring_later

Origin = Literal["delivery", "list"]

# Few nodes, for a batch is small and starting them costs more than what they do: connections are looked up
# row by row (OFFSET 0 keeps it so, and with it the order of arrival), what is new is an array and not a join.
# Ids are given in that order. Identities are written in the order of their key, the same in every process, so
# that two batches with the same events never wait for each other in a circle.
_STORE = """
WITH given AS MATERIALIZED (
    SELECT sent.*, connected.mode, connected.plugin,
           sent.version IS NULL OR connected.version = sent.version AS proved
    FROM (
        SELECT *, new_webhook_event_id() AS event
        FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                    $8::bytea[], $9::text[], $10::bigint[]) WITH ORDINALITY
            AS sent (account, external_id, type, object_kind, object_id, group_id, api_version, body,
                     trouble, version, place)
    ) AS sent CROSS JOIN LATERAL (
        SELECT mode, plugin, version FROM connected_account
        WHERE id = sent.account AND state <> 'disconnected' OFFSET 0
    ) AS connected
), known AS (
    INSERT INTO webhook_identity (account, mode, external_id, event)
    SELECT account, mode, external_id, event FROM given WHERE proved ORDER BY account, external_id, place
    ON CONFLICT (account, external_id) DO NOTHING
    RETURNING event
), added AS (
    INSERT INTO webhook_event (id, account, mode, external_id, type, object_kind, object_id, group_id,
                               api_version, body, origin, state, error_code, error_words, due_at, received_at)
    SELECT event, account, mode, external_id, type, object_kind, object_id, group_id, api_version, body, $11,
           CASE trouble WHEN '' THEN 'received' ELSE 'rejected' END,
           CASE trouble WHEN '' THEN '' ELSE 'EVENT_QUARANTINED' END, trouble, now(), now()
    FROM given WHERE event = ANY (ARRAY(SELECT event FROM known))
), fresh AS (
    SELECT event AS id, plugin || '.process_event' AS actor_name
    FROM given WHERE trouble = '' AND event = ANY (ARRAY(SELECT event FROM known))
)"""
_ANSWER = """
SELECT place, plugin, proved, CASE WHEN event = ANY (ARRAY(SELECT event FROM known)) THEN event END FROM given
"""
"""No row: not connected any more. No id: not proved any more, or stored before."""
_AND_RING = f"{_STORE}, rung AS ({RING_FRESH}) {_ANSWER}"
_STORE_ONLY = f"{_STORE} {_ANSWER}"


async def store_events(
    held: Connection, events: Sequence[NewEvent], *, origin: Origin = "delivery"
) -> list[Stored]:
    """Store all that are new, and ring for them once that is committed. What became of each, in their order.

    Args:
        held: commits right after the statement, or is in a transaction of the caller's.
        events: their ids rise in this order.
        origin: whether they were delivered or found in the provider's list.
    """
    in_statement = rings_in_statement()
    rows = await held.fetch(_AND_RING if in_statement else _STORE_ONLY, *_columns(events), origin)
    found: list[Stored] = [NotStored.NOT_CONNECTED] * len(events)
    rings: list[Ring] = []
    for place, plugin, proved, event_id in rows:
        missing = NotStored.KNOWN if proved else NotStored.CHANGED
        found[place - 1] = missing if event_id is None else event_id
        if event_id is not None and not events[place - 1].trouble:
            rings.append((f"{plugin}.process_event", event_id))
    if rings and not in_statement:
        await _ring_after_commit(rings)
    return found


def trouble_with(account: Account, event: ReceivedEvent) -> str:
    """Why a genuine event must have no effect on this connection; empty when it may."""
    if event.mode is not account.mode:
        return f"This is a {event.mode} event, and the connection is a {account.mode} one."
    if event.account_external_id and event.account_external_id != account.external_id:
        return "The event belongs to another account."
    return ""


def _columns(events: Sequence[NewEvent]) -> tuple[list[object], ...]:
    """The events as PostgreSQL takes them: an array for each column."""
    return (
        [new.account_id for new in events],
        [new.event.external_id for new in events],
        [new.event.type for new in events],
        [new.event.object_kind for new in events],
        [new.event.object_id for new in events],
        [new.event.group_id for new in events],
        [new.event.api_version for new in events],
        [new.body for new in events],
        [new.trouble for new in events],
        [new.version for new in events],
    )


async def _ring_after_commit(rings: Sequence[Ring]) -> None:
    async def send() -> None:
        ring_later(rings)

    await after_commit(send)
