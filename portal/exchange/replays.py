"""Having events handled again: one, or many with a record of how far that is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.audit.services import Actor, record
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound
from portal.queue.rings import ring
from portal.webhooks.attempts import appended
from portal.webhooks.processing import forget_ended

MOST_AT_ONCE = 500

_REPLAYED = appended("'kind', 'replayed'", "'attempt', e.attempts", "'by', $2::text")
# One that waits for its next attempt is made due, and keeps its count and its place.
_PUT_BACK = f"""
UPDATE webhook_event e SET state = 'received', due_at = now(), lease_until = NULL,
       attempts = CASE e.state WHEN 'received' THEN e.attempts ELSE 0 END,
       crashes = CASE e.state WHEN 'received' THEN e.crashes ELSE 0 END,
       error_code = '', error_words = '', outcome = '', processed_at = NULL, history = {_REPLAYED}
FROM connected_account a
WHERE e.id = ANY($1::bigint[]) AND a.id = e.account AND a.state <> 'disconnected'
  AND (e.state IN ('processed', 'ignored', 'parked')
       OR (e.state = 'received' AND e.due_at > clock_timestamp()))
RETURNING e.id, a.plugin, e.mode, e.external_id, e.type
"""  # noqa: S608 - a constant
_LEFT = """
SELECT e.id, e.state, e.error_words, a.title, a.state AS account_state
FROM webhook_event e JOIN connected_account a ON a.id = e.account WHERE e.id = ANY($1::bigint[])
"""


class CannotReplay(Conflict):
    """The event stays as it is."""

    code = "CANNOT_REPLAY"


@dataclass(frozen=True, slots=True)
class ReplayStarted:
    """What became of a wish to replay many. `refused`: event id -> why; `id` None: nothing was put back."""

    id: int | None
    accepted: int
    refused: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far a replay of many is."""

    id: int
    total: int
    waiting: int
    processed: int
    ignored: int
    parked: int
    started_by: str
    started_at: datetime
    event_ids: tuple[int, ...]
    refused: Mapping[int, str]

    @property
    def done(self) -> bool:
        """Whether every event has ended."""
        return self.waiting == 0


async def replay(event_id: int, *, actor: Actor) -> None:
    """Have the event handled again, or at once when it waits for its next attempt. Asking twice is once.

    Raises:
        NotFound: there is none.
        CannotReplay: it is being handled, must have no effect here, or its account is disconnected.
    """
    async with transaction() as tx:
        put_back = await _put_back(tx.connection, [event_id], actor)
        if not put_back:
            refused = await _left(tx.connection, [event_id])
            if event_id not in refused:
                return  # it waits to be handled already
            if refused[event_id] == _GONE:
                raise NotFound(_GONE)
            raise CannotReplay(refused[event_id])
        row = put_back[0]
        await record(
            tx.connection,
            actor=actor,
            action="event.replayed",
            words=f"Had {row['type']} {row['external_id']} handled again.",
            subject=("webhook_event", event_id),
            mode=row["mode"],
        )


async def replay_many(event_ids: Sequence[int], *, actor: Actor) -> ReplayStarted:
    """Have up to 500 events handled again; those that share an object share its read.

    Raises:
        CannotReplay: they are too many.
    """
    wanted = list(dict.fromkeys(event_ids))
    if len(wanted) > MOST_AT_ONCE:
        raise CannotReplay(
            f"No more than {MOST_AT_ONCE} events are replayed at once.", hint="Narrow the list."
        )
    async with transaction() as tx:
        put_back = await _put_back(tx.connection, wanted, actor)
        ids = [row["id"] for row in put_back]
        refused = await _left(tx.connection, [found for found in wanted if found not in set(ids)])
        if not ids:
            return ReplayStarted(None, 0, refused)
        replay_id = await _note(tx.connection, ids, refused, actor)
        await record(
            tx.connection,
            actor=actor,
            action="events.replayed",
            words=f"Had {len(ids)} event{'' if len(ids) == 1 else 's'} handled again.",
            subject=("event_replay", replay_id),
            details={"events": ids},
        )
    return ReplayStarted(replay_id, len(ids), refused)


async def replay_progress(replay_id: int) -> ReplayProgress:
    """How far it is, counted from the events themselves.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held:
        row = await held.fetchrow(_PROGRESS, replay_id)
    if row is None:
        raise NotFound("There is no such replay.")
    values = dict(row)
    refused = {int(key): words for key, words in json.loads(values.pop("refused")).items()}
    return ReplayProgress(**{**values, "event_ids": tuple(values["event_ids"])}, refused=refused)


async def _put_back(held: Connection, event_ids: Sequence[int], actor: Actor) -> list[Any]:
    rows: list[Any] = await held.fetch(_PUT_BACK, list(event_ids), actor.name)
    forget_ended([row["id"] for row in rows])
    for row in sorted(rows, key=lambda row: int(row["id"])):
        await ring(held, f"{row['plugin']}.process_event", row["id"])
    return rows


async def _left(held: Connection, event_ids: Sequence[int]) -> dict[int, str]:
    """Why these were not put back; one that waits to be handled anyway is not among them."""
    rows = {row["id"]: row for row in await held.fetch(_LEFT, list(event_ids))}
    why = {event_id: _why(rows.get(event_id)) for event_id in event_ids}
    return {event_id: words for event_id, words in why.items() if words}


def _why(row: Any) -> str:
    if row is None:
        return _GONE
    if row["account_state"] == "disconnected":
        return f"{row['title']} is disconnected: connect the account again first."
    match row["state"]:
        case "processing":
            return "It is being handled right now."
        case "rejected":
            return f"It must have no effect here: {row['error_words']}"
    return ""


async def _note(held: Connection, ids: Sequence[int], refused: Mapping[int, str], actor: Actor) -> int:
    found: int = await held.fetchval(
        """
        INSERT INTO event_replay (events, refused, started_by, started_at)
        VALUES ($1, to_jsonb($2::json), $3, now()) RETURNING id
        """,
        list(ids),
        json.dumps(refused),
        actor.name,
    )
    return found


_GONE = "There is no such event."
_PROGRESS = """
SELECT r.id, cardinality(r.events) AS total,
       count(*) FILTER (WHERE e.state IN ('received', 'processing')) AS waiting,
       count(*) FILTER (WHERE e.state = 'processed') AS processed,
       count(*) FILTER (WHERE e.state = 'ignored') AS ignored,
       count(*) FILTER (WHERE e.state IN ('parked', 'rejected')) AS parked,
       r.started_by, r.started_at, r.events AS event_ids, r.refused
FROM event_replay r LEFT JOIN webhook_event e ON e.id = ANY(r.events)
WHERE r.id = $1 GROUP BY r.id
"""
