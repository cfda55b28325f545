"""The inbox's worker side: lock an object, claim its events, finish or postpone them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.accounts.services import DISCONNECTED
from portal.contract.errors import (
    AccountAuthFailed,
    AccountNotReady,
    OutcomeUnknown,
    ProviderUnavailable,
    UnforeseenError,
)
from portal.contract.facts import Mode
from portal.contract.work import StoredEvent
from portal.database.transaction import Connection, DatabaseBusy, connection
from portal.errors import PortalError
from portal.queue.rings import ring
from portal.sync.counts import count_for
from portal.sync.rules import retry_delay
from portal.webhooks.attempts import appended
from portal.webhooks.locks import HOLD, lock_values
from portal.webhooks.together import TogetherLoads

LEASE_SECONDS = 30
"""A killed worker's events are free again after this; the sweeper rings for them."""
MAX_ATTEMPTS = 12
"""After so many errors that nobody foresaw the event is parked; with the delays between, about an hour."""
MAX_OUTAGE_ATTEMPTS = 84
"""So often an event is tried while the provider is away: about three days, as long as providers deliver."""
LATELY_SECONDS = 3.0
MOST_REMEMBERED = 5_000
MAX_CRASHES = 5
"""An event whose worker died this often is parked unread."""


_COLUMNS = """e.id, e.account AS account_id, a.plugin, e.mode, e.external_id, e.type, e.object_kind,
              e.object_id, e.group_id, e.body, e.state, e.attempts, e.received_at,
              coalesce(e.lease_until > now(), false) AS leased"""

_EVENT_FIELDS = (
    *("id", "mode", "external_id", "type", "object_kind", "object_id", "group_id", "body", "state"),
    *("attempts", "received_at", "leased"),
)
_WITH_ACCOUNT = f"""
SELECT {", ".join(f"e.{name} AS event_{name}" for name in _EVENT_FIELDS if name != "leased")},
       coalesce(e.lease_until > now(), false) AS event_leased, a.*
FROM webhook_event e JOIN connected_account a ON a.id = e.account
WHERE e.id = ANY($1::bigint[])
"""  # noqa: S608 - the column list is a constant
# The connection is noted once a second, and not while somebody has it locked: who does may wait for what this
# transaction holds.
_FINISH = """
WITH ended AS (
    UPDATE webhook_event SET state = $2, outcome = $3, processed_at = now(), lease_until = NULL,
           error_code = '', error_words = ''
    WHERE id = ANY($1::bigint[])
)
UPDATE connected_account SET last_event_at = $5
WHERE id = (SELECT id FROM connected_account
            WHERE id = $4 AND (last_event_at IS NULL OR last_event_at < $5::timestamptz - interval '1 second')
            FOR NO KEY UPDATE SKIP LOCKED)
"""
_DIED = appended("'kind', 'died'", "'attempt', attempts")
# A statement sees what was there when it began. An event that somebody has ended since, who had the lock, is
# looked at again before it is changed, and then left alone.
_CLAIM = f"""
WITH held AS MATERIALIZED (SELECT {HOLD} AS since), claimed AS (
    UPDATE webhook_event e SET state = 'processing', attempts = attempts + 1,
           crashes = crashes + CASE e.state WHEN 'processing' THEN 1 ELSE 0 END,
           history = CASE e.state WHEN 'processing' THEN {_DIED} ELSE history END,
           lease_until = clock_timestamp() + make_interval(secs => $6)
    FROM connected_account a, held
    WHERE held.since IS NOT NULL AND e.account = $4 AND a.id = e.account AND a.state <> 'disconnected'
          AND e.group_id = ANY($5::text[])
          AND (e.state = 'received'
               OR (e.state = 'processing' AND e.lease_until < now() AND e.crashes + 1 < $7))
    RETURNING {_COLUMNS}
)
SELECT held.since, claimed.* FROM held LEFT JOIN claimed ON true
"""  # noqa: S608 - constants
_STILL_OURS = "id = $1 AND attempts = $2 AND state IN ('received', 'processing')"
"""Every claim counts one more attempt: another number means that somebody claimed the event meanwhile."""
_POSTPONED = appended(
    "'kind', 'failed'", "'attempt', $3::bigint", "'code', $4::text", "'words', $5::text",
    "'next_at', clock_timestamp() + make_interval(secs => $6)",
)  # fmt: skip
_PARKED = appended(
    "'kind', 'parked'", "'attempt', $5::bigint", "'code', $3::text", "'words', $4::text"
)  # fmt: skip


async def load_event(event_id: int) -> StoredEvent | None:
    """The event, in whatever state it is."""
    async with connection() as held:
        row = await held.fetchrow(
            f"""
            SELECT {_COLUMNS} FROM webhook_event e JOIN connected_account a ON a.id = e.account
            WHERE e.id = $1
            """,  # noqa: S608 - the column list is a constant
            event_id,
        )
    return _event(row) if row else None


Loaded = tuple[StoredEvent, Mapping[str, Any]]
"""An event in whatever state it is, and the row of its connection for `open_row`."""


async def load_with_account(event_id: int) -> Loaded | None:
    """The event with its connection. Those who ask at once share a statement."""
    return await _loads.get(event_id)


async def _load_many(event_ids: Sequence[int]) -> Mapping[int, Loaded]:
    async with connection() as held:
        rows = await held.fetch(_WITH_ACCOUNT, event_ids)
    return {row["event_id"]: _loaded(dict(row)) for row in rows}


def _loaded(found: dict[str, Any]) -> Loaded:
    told = {name: found.pop(f"event_{name}") for name in _EVENT_FIELDS}
    return _event({**told, "account_id": found["id"], "plugin": found["plugin"]}), found


_loads = TogetherLoads(_load_many)


def ended_lately(event_id: int) -> bool:
    """Whether this process ended the event a moment ago, so that its own job finds nothing to do.

    Events of an object end together, and each has a job. One that is put back within that moment is rung for
    by the sweeper.
    """
    ended = _ended.get(event_id)
    return ended is not None and time.monotonic() - ended < LATELY_SECONDS


def note_ended(events: Sequence[StoredEvent]) -> None:
    """Call it when what `finish_events` wrote is committed."""
    now = time.monotonic()
    for event in events:
        _ended.pop(event.id, None)
        _ended[event.id] = now
    while len(_ended) > MOST_REMEMBERED:
        del _ended[next(iter(_ended))]


def forget_ended(event_ids: Sequence[int] | None = None) -> None:
    """These are open again; None: all that this process remembers."""
    for event_id in list(_ended) if event_ids is None else event_ids:
        _ended.pop(event_id, None)


_ended: dict[int, float] = {}


@dataclass(frozen=True, slots=True)
class Claimed:
    """An object that is held from now on, with its open events, oldest first."""

    since: datetime
    events: list[StoredEvent]


async def claim_events(
    held: Connection, account_id: int, object_key: str, group_ids: Sequence[str]
) -> Claimed:
    """Wait for the object's lock and claim every open event of these groups, each for one more attempt.

    What is stored while this waits is left to its own job. Call it by way of `locks.lock`.
    """
    rows = await held.fetch(
        _CLAIM,
        *lock_values(account_id, object_key),
        account_id,
        list(group_ids),
        LEASE_SECONDS,
        MAX_CRASHES,
    )
    events = [
        _event({name: value for name, value in row.items() if name != "since"})
        for row in rows
        if row["id"] is not None
    ]
    return Claimed(rows[0]["since"], sorted(events, key=lambda event: event.id))


async def finish_events(
    held: Connection, events: Sequence[StoredEvent], *, outcome: str, state: str = "processed"
) -> None:
    """Store the end of events in the transaction of their effect. `state`: processed or ignored."""
    if events:
        await held.execute(
            _FINISH,
            [event.id for event in events],
            state,
            outcome,
            events[0].account_id,
            max(event.received_at for event in events),
        )


async def give_back(held: Connection, events: Sequence[StoredEvent], error: PortalError) -> None:
    """Put events back for later, or park them when trying again cannot help. Nothing is thrown away.

    Failing before the claim is an attempt too. Events that another worker claimed meanwhile are left to it.
    """
    most = _most_attempts(error)
    for event in events:
        attempts = event.attempts if event.leased else event.attempts + 1
        count_for(event.account_id, "attempt_failed")
        if most is not None and attempts >= most:
            await _park(held, event, error, attempts)
        else:
            await _postpone(held, event, error, attempts)


def _most_attempts(error: PortalError) -> int | None:
    """How often an event may fail like this before it is parked; None: it waits for the account."""
    match error:
        case AccountAuthFailed() | AccountNotReady():
            return None
        case UnforeseenError():
            return MAX_ATTEMPTS
        case ProviderUnavailable() | OutcomeUnknown() | DatabaseBusy():
            return MAX_OUTAGE_ATTEMPTS
    return 0


async def _postpone(held: Connection, event: StoredEvent, error: PortalError, attempts: int) -> None:
    asked = error.retry_after if isinstance(error, ProviderUnavailable) else None
    delay = retry_delay(attempts, asked=asked)
    changed = await held.fetchval(
        f"""
        UPDATE webhook_event SET state = 'received', attempts = $3, lease_until = NULL, error_code = $4,
               error_words = $5, due_at = now() + make_interval(secs => $6), history = {_POSTPONED}
        WHERE {_STILL_OURS} RETURNING id
        """,  # noqa: S608 - a constant
        event.id,
        event.attempts,
        attempts,
        error.code,
        error.message,
        delay,
    )
    if changed:
        await ring(held, f"{event.plugin}.process_event", event.id, delay_ms=round(delay * 1000))


async def _park(held: Connection, event: StoredEvent, error: PortalError, attempts: int) -> None:
    """Set an event aside with its reason, for a person to look at."""
    count_for(event.account_id, "parked")
    await held.execute(
        f"""
        UPDATE webhook_event SET state = 'parked', lease_until = NULL, error_code = $3, error_words = $4,
               attempts = $5, history = {_PARKED}
        WHERE {_STILL_OURS}
        """,  # noqa: S608 - a constant
        event.id,
        event.attempts,
        error.code,
        f"{error.message} {error.hint}".strip(),
        attempts,
    )


async def release_due(held: Connection, limit: int = 500) -> int:
    """Ring for events that nobody holds; park those that kill their workers. Returns how many rang.

    Those whose connection was ended while a worker held them are ignored once it lets go of them.
    """
    await held.execute(
        f"""
        UPDATE webhook_event SET state = 'parked', lease_until = NULL, error_code = 'WORKER_DIED',
               crashes = crashes + 1, history = {_DIED},
               error_words = 'The worker ended each time it handled this event.'
        WHERE state = 'processing' AND lease_until < now() AND crashes + 1 >= $1
        """,  # noqa: S608 - a constant
        MAX_CRASHES,
    )
    await held.execute(
        """
        UPDATE webhook_event e SET state = 'ignored', outcome = $1, processed_at = now(), lease_until = NULL
        FROM connected_account a
        WHERE a.id = e.account AND a.state = 'disconnected' AND e.state IN ('received', 'processing')
          AND (e.lease_until IS NULL OR e.lease_until < now())
        """,
        DISCONNECTED,
    )
    rows = await held.fetch(
        """
        SELECT e.id, a.plugin FROM webhook_event e JOIN connected_account a ON a.id = e.account
        WHERE e.state IN ('received', 'processing') AND e.due_at < now() - interval '5 seconds'
          AND (e.lease_until IS NULL OR e.lease_until < now()) AND a.state <> 'disconnected'
        ORDER BY e.due_at, e.id LIMIT $1
        """,
        limit,
    )
    for row in rows:
        await ring(held, f"{row['plugin']}.process_event", row["id"])
    return len(rows)


def _event(row: Mapping[str, Any]) -> StoredEvent:
    return StoredEvent(**{**dict(row), "mode": Mode(row["mode"]), "body": bytes(row["body"])})
