"""The inbox's worker side: lock an object, claim its events, finish or postpone them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from portal.accounts.services import DISCONNECTED
from portal.contract.errors import (
    AccountAuthFailed,
    AccountNotReady,
    OutcomeUnknown,
    ProviderUnavailable,
    UnforeseenError,
)
from portal.contract.facts import Mode
from portal.database.transaction import Connection, DatabaseBusy, connection
from portal.errors import PortalError
from portal.queue.rings import ring
from portal.sync.rules import retry_delay

LOCK_SECONDS = 12
"""Shorter than the statement timeout, which would end the wait with another error."""
LEASE_SECONDS = 30
"""A killed worker's events are free again after this; the sweeper rings for them."""
MAX_ATTEMPTS = 12
"""After so many errors that nobody foresaw the event is parked; with the delays between, about an hour."""
MAX_OUTAGE_ATTEMPTS = 84
"""So often an event is tried while the provider is away: about three days, as long as providers deliver."""
MAX_CRASHES = 5
"""An event whose worker died this often is parked unread."""


class ObjectBusy(ProviderUnavailable):
    """Another worker has held the object for too long; try again."""

    code = "OBJECT_BUSY"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One row of the inbox."""

    id: int
    account_id: int
    plugin: str
    mode: Mode
    external_id: str
    type: str
    object_kind: str
    object_id: str
    group_id: str
    body: bytes
    state: str
    attempts: int
    received_at: datetime
    leased: bool
    """Claimed, by the caller or by another worker, and the lease has not ended."""


_COLUMNS = """e.id, e.account AS account_id, a.plugin, e.mode, e.external_id, e.type, e.object_kind,
              e.object_id, e.group_id, e.body, e.state, e.attempts, e.received_at,
              coalesce(e.lease_until > now(), false) AS leased"""

_STILL_OURS = "id = $1 AND attempts = $2 AND state IN ('received', 'processing')"
"""Every claim counts one more attempt: another number means that somebody claimed the event meanwhile."""


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


@asynccontextmanager
async def object_lock(account_id: int, object_key: str) -> AsyncIterator[Connection]:
    """Hold the per-object lock on a connection; it ends with the connection, also when the worker is killed.

    Those of one process queue up in the process, so that waiting costs one connection and not one each.
    `connection()` inside is the same connection: do not run queries side by side in here.

    Raises:
        ObjectBusy: somebody held it for `LOCK_SECONDS`.
    """
    async with _turn(account_id, object_key), connection() as held:
        try:
            await held.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            await held.execute("SELECT pg_advisory_lock($1, hashtext($2))", account_id % 2**31, object_key)
        except asyncpg.LockNotAvailableError:
            raise ObjectBusy("Another worker is busy with the same object.", retry_after=5) from None
        # The pool resets a connection that comes back: that ends the lock and the timeout.
        yield held


_turns: dict[tuple[int, str], tuple[asyncio.Lock, int]] = {}


@asynccontextmanager
async def _turn(account_id: int, object_key: str) -> AsyncIterator[None]:
    """Wait for this process's turn at the object."""
    key = (account_id, object_key)
    lock, waiting = _turns.get(key, (asyncio.Lock(), 0))
    _turns[key] = (lock, waiting + 1)
    try:
        async with asyncio.timeout(LOCK_SECONDS):
            await lock.acquire()
    except TimeoutError:
        _leave(key)
        raise ObjectBusy("This process is busy with the same object.", retry_after=5) from None
    except BaseException:
        _leave(key)
        raise
    try:
        yield
    finally:
        lock.release()
        _leave(key)


def _leave(key: tuple[int, str]) -> None:
    lock, waiting = _turns.pop(key)
    if waiting > 1:
        _turns[key] = (lock, waiting - 1)


async def claim_events(held: Connection, account_id: int, group_ids: Sequence[str]) -> list[StoredEvent]:
    """Every open event of these groups, oldest first, counted as one more attempt each. Hold the lock."""
    rows = await held.fetch(
        f"""
        UPDATE webhook_event e SET state = 'processing', attempts = attempts + 1,
               crashes = crashes + CASE e.state WHEN 'processing' THEN 1 ELSE 0 END,
               lease_until = now() + make_interval(secs => $3)
        FROM connected_account a
        WHERE e.account = $1 AND a.id = e.account AND a.state <> 'disconnected'
          AND e.group_id = ANY($2::text[])
          AND (e.state = 'received' OR (e.state = 'processing' AND e.lease_until < now()))
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - the column list is a constant
        account_id,
        list(group_ids),
        LEASE_SECONDS,
    )
    return sorted((_event(row) for row in rows), key=lambda event: event.id)


async def finish_events(
    held: Connection, events: Sequence[StoredEvent], *, outcome: str, state: str = "processed"
) -> None:
    """Store the end of events in the transaction of their effect. `state`: processed or ignored."""
    await held.execute(
        """
        UPDATE webhook_event SET state = $2, outcome = $3, processed_at = now(), lease_until = NULL,
               error_code = '', error_words = ''
        WHERE id = ANY($1::bigint[])
        """,
        [event.id for event in events],
        state,
        outcome,
    )
    if events:
        await held.execute(
            """
            UPDATE connected_account SET last_event_at = $2
            WHERE id = (SELECT id FROM connected_account
                        WHERE id = $1 AND (last_event_at IS NULL OR last_event_at < $2)
                        FOR NO KEY UPDATE SKIP LOCKED)
            """,  # skipped while locked: its holder may wait for what this transaction holds
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
        if most is not None and attempts >= most:
            await _park(held, event, error)
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
               error_words = $5, due_at = now() + make_interval(secs => $6)
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


async def _park(held: Connection, event: StoredEvent, error: PortalError) -> None:
    """Set an event aside with its reason, for a person to look at."""
    await held.execute(
        f"""
        UPDATE webhook_event SET state = 'parked', lease_until = NULL, error_code = $3, error_words = $4
        WHERE {_STILL_OURS}
        """,  # noqa: S608 - a constant
        event.id,
        event.attempts,
        error.code,
        f"{error.message} {error.hint}".strip(),
    )


async def release_due(held: Connection, limit: int = 500) -> int:
    """Ring for events that nobody holds; park those that kill their workers. Returns how many rang.

    Those whose connection was ended while a worker held them are ignored once it lets go of them.
    """
    await held.execute(
        """
        UPDATE webhook_event SET state = 'parked', lease_until = NULL, error_code = 'WORKER_DIED',
               error_words = 'The worker ended each time it handled this event.'
        WHERE state = 'processing' AND lease_until < now() AND crashes + 1 >= $1
        """,
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


def _event(row: asyncpg.Record) -> StoredEvent:
    return StoredEvent(**{**dict(row), "mode": Mode(row["mode"]), "body": bytes(row["body"])})
