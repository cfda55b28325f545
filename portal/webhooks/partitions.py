"""The months of the inbox: made ahead of time, and dropped whole once they are old and settled."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from portal.database.transaction import Connection, connection, transaction

MONTHS_AHEAD = 3
BATCH = 5_000
"""Identities that are forgotten in one commit."""
LOCK_SECONDS = 2
"""Dropping a month shuts intake out for a moment: it must not wait for others as well."""
HAS_OPEN = """
SELECT EXISTS (SELECT FROM "{0}" WHERE state IN ('received', 'processing'))
       OR EXISTS (SELECT FROM "{0}" WHERE state = 'parked')
"""
"""A parked event waits for a person, so it is not settled either. Each half has an index that holds nothing
else: the month is asked while intake waits, and may be large."""
logger = logging.getLogger("portal.webhooks")

_ENSURE = """
SELECT ensure_webhook_event_month(now() + make_interval(months => ahead)) FROM generate_series(0, $1) AS ahead
"""
_OLD = """
WITH month AS (
    SELECT c.relname AS name, make_timestamptz(substr(c.relname, 15, 4)::int, substr(c.relname, 20, 2)::int,
                                               1, 0, 0, 0, 'UTC') AS began
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'webhook_event'::regclass AND c.relname ~ '^webhook_event_[0-9]{4}_[0-9]{2}$'
)
SELECT name, webhook_event_first_id(began) AS first_id,
       webhook_event_first_id((began AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC') AS end_id
FROM month
WHERE began < (date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => $1)) AT TIME ZONE 'UTC'
ORDER BY began
"""
_FORGET = """
DELETE FROM webhook_identity WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM webhook_identity
    WHERE event >= webhook_event_first_id('2000-02-01Z')
      AND event < webhook_event_first_id((date_trunc('month', now() AT TIME ZONE 'UTC')
                                          - make_interval(months => $1)) AT TIME ZONE 'UTC')
      AND NOT EXISTS (SELECT FROM unnest($2::bigint[], $3::bigint[]) AS kept (first_id, end_id)
                      WHERE event >= kept.first_id AND event < kept.end_id)
    LIMIT $4))
"""  # without those from before the inbox was cut, which no month holds


@dataclass(frozen=True, slots=True)
class OldMonth:
    """A month of the inbox that is past its time."""

    name: str
    """Of its table: `webhook_event_2026_11`."""
    first_id: int
    end_id: int


async def make_months() -> list[str]:
    """Make this month's table and those of the next ones; returns the names of new ones."""
    async with connection() as held:
        rows = await held.fetch(_ENSURE, MONTHS_AHEAD)
    return [row[0] for row in rows if row[0]]


async def old_months(months: int) -> list[OldMonth]:
    """Months that are older than those to keep and are still there, oldest first.

    Right after `drop_old_months` these are the ones with events that are not settled.
    """
    async with connection() as held:
        rows = await held.fetch(_OLD, months)
    return [OldMonth(**dict(row)) for row in rows]


async def drop_old_months(months: int) -> list[str]:
    """Drop whole months in which every event is settled, and forget their identities.

    Args:
        months: how many whole months are kept beside the running one.

    Returns:
        The names of the tables that are gone. A month with an open event stays as it is, and is logged.
    """
    gone = [month.name for month in await old_months(months) if await _drop(month)]
    kept = await old_months(months)
    while await _forget(months, kept) == BATCH:
        pass
    return gone


async def _drop(month: OldMonth) -> bool:
    async with connection() as held:
        waits = await _has_open(held, month)
    if not waits:
        async with transaction() as tx:
            await tx.connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            # Asked again once nobody can change it any more: somebody may have had an event handled again.
            await tx.connection.execute("LOCK TABLE webhook_event IN ACCESS EXCLUSIVE MODE")
            waits = await _has_open(tx.connection, month)
            if not waits:
                await tx.connection.execute(f'DROP TABLE "{month.name}"')
    if waits:
        logger.warning("%s is past its time and stays: events in it are not settled", month.name)
    return not waits


async def _has_open(held: Connection, month: OldMonth) -> bool:
    found: bool = await held.fetchval(HAS_OPEN.format(month.name))
    return found


async def _forget(months: int, kept: list[OldMonth]) -> int:
    async with connection() as held:
        done = await held.execute(
            _FORGET, months, [month.first_id for month in kept], [month.end_id for month in kept], BATCH
        )
    return int(done.rpartition(" ")[2])
