"""How a connection is: measured when somebody looks, and watched once a minute for alarms."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncpg import Record

from portal.database.transaction import Connection, connection
from portal.exchange.rules import Alarm, Vitals, alarms_of

SILENT_AFTER = timedelta(hours=24)
SAMPLE = 5_000
"""So many events of the last hour are looked at, at most, for the usual time to handle one."""
logger = logging.getLogger("portal.health")

_VITALS = """
WITH me AS (
    SELECT id, connected_at, last_event_at,
           greatest(last_event_at, secret_used_at, previous_used_at) AS accepted_at
    FROM connected_account WHERE id = $1
), since AS (
    SELECT webhook_event_first_id(date_trunc('month', now() - interval '1 day', 'UTC')) AS first_id
), lately AS (
    SELECT extract(epoch FROM e.processed_at - e.received_at)::float8 AS took
    FROM webhook_event e, since WHERE e.account = $1 AND e.id >= since.first_id
    AND e.received_at > now() - interval '1 hour' AND e.processed_at IS NOT NULL LIMIT $2
)
SELECT me.last_event_at, greatest(me.last_event_at, me.connected_at) AS heard_at,
    (SELECT count(*) FROM webhook_event e WHERE e.account = me.id AND e.state = 'parked') AS parked,
    (SELECT count(*) FROM webhook_event e WHERE e.account = me.id AND e.state = 'parked'
        AND e.received_at > now() - interval '1 hour') AS parked_lately,
    (SELECT coalesce(sum(r.refused), 0)::bigint FROM delivery_refusal r WHERE r.account = me.id
        AND r.reason = 'signature' AND r.last_at > coalesce(me.accepted_at, '-infinity')
        AND r.hour > now() - interval '2 days') AS refused_in_a_row,
    (SELECT coalesce(sum(r.refused), 0)::bigint FROM delivery_refusal r WHERE r.account = me.id
        AND r.hour > now() - interval '24 hours') AS refused_today,
    (SELECT coalesce(extract(epoch FROM now() - min(e.due_at)), 0)::float8 FROM webhook_event e
      WHERE e.account = me.id AND e.state IN ('received', 'processing') AND e.due_at <= now()) AS lag_seconds,
    (SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY took) FROM lately) AS usual_seconds,
    (SELECT count(*) FROM sync_task t WHERE t.account = me.id
        AND t.state IN ('waiting', 'sending')) AS waiting,
    (SELECT min(t.created_at) FROM sync_task t WHERE t.account = me.id
        AND t.state IN ('waiting', 'sending', 'unknown')) AS oldest_task_at,
    (SELECT count(*) FROM sync_task t WHERE t.account = me.id AND t.state = 'unknown') AS unknown,
    (SELECT coalesce(extract(epoch FROM now() - min(t.created_at)), 0)::float8 FROM sync_task t
      WHERE t.account = me.id AND t.state = 'unknown') AS unknown_seconds,
    (SELECT count(*) FROM sync_task t WHERE t.account = me.id AND t.state = 'failed') AS failed,
    (SELECT coalesce(sum(c.happened), 0)::bigint FROM account_count c WHERE c.account = me.id
        AND c.hour = date_trunc('hour', now(), 'UTC') AND c.what = 'call_refused') AS slowed_down,
    (SELECT coalesce(sum(c.happened), 0)::bigint FROM account_count c WHERE c.account = me.id
        AND c.hour = date_trunc('hour', now(), 'UTC') AND c.what = 'call') AS calls,
    EXISTS (SELECT FROM payment p WHERE p.account = me.id AND p.recorded_at > now() - interval '30 days')
    OR EXISTS (SELECT FROM invoice i WHERE i.account = me.id AND i.external_id IS NOT NULL
        AND i.status IN ('open', 'processing', 'partly_paid')) AS expects_events, now() AS measured_at
FROM me
"""


@dataclass(frozen=True, slots=True)
class Health:
    """A connection as its page shows it."""

    last_event_at: datetime | None
    parked: int
    refused_today: int
    lag_seconds: float
    usual_seconds: float | None
    """Within it 95 of 100 events of the last hour were handled; None: there were none."""
    waiting: int
    unknown: int
    failed: int
    oldest_task_at: datetime | None
    calls: int
    slowed_down: int
    alarms: Sequence[Alarm]


async def health_of(account_id: int) -> Health:
    """Measure one connection."""
    async with connection() as held:
        row = await _measured(held, account_id)
    shown = {name: row[name] for name in Health.__slots__ if name != "alarms"}
    return Health(**shown, alarms=alarms_of(_vitals(row)))


async def watch_all(held: Connection) -> None:
    """Raise and clear alarms of every connection; each change is logged once. In the caller's transaction."""
    for (account_id,) in await held.fetch(
        "SELECT id FROM connected_account WHERE state <> 'disconnected' ORDER BY id"
    ):
        alarms = {alarm.code: alarm for alarm in alarms_of(_vitals(await _measured(held, account_id)))}
        for code in await _clear(held, account_id, list(alarms)):
            logger.info("account %d is well again: %s", account_id, code)
        for code in await _raise(held, account_id, alarms):
            logger.warning("account %d needs attention: %s", account_id, alarms[code].words)
    await held.execute(
        """
        DELETE FROM health_alarm h USING connected_account a
        WHERE a.id = h.account AND a.state = 'disconnected'
        """
    )


async def _measured(held: Connection, account_id: int) -> Record:
    row: Record | None = await held.fetchrow(_VITALS, account_id, SAMPLE)
    assert row is not None  # noqa: S101 - accounts are never deleted
    return row


def _vitals(row: Record) -> Vitals:
    silent = row["measured_at"] - row["heard_at"]
    return Vitals(
        parked_lately=row["parked_lately"],
        refused_in_a_row=row["refused_in_a_row"],
        lag_seconds=row["lag_seconds"],
        unknown_seconds=row["unknown_seconds"],
        unknown=row["unknown"],
        slowed_down=row["slowed_down"],
        silent_hours=silent.total_seconds() / 3600
        if row["expects_events"] and silent > SILENT_AFTER
        else 0.0,
    )


async def _clear(held: Connection, account_id: int, codes: list[str]) -> list[str]:
    rows = await held.fetch(
        "DELETE FROM health_alarm WHERE account = $1 AND code <> ALL($2::text[]) RETURNING code",
        account_id,
        codes,
    )
    return [row[0] for row in rows]


async def _raise(held: Connection, account_id: int, alarms: dict[str, Alarm]) -> list[str]:
    """Those that were not there before; words that changed since are written anew."""
    rows = await held.fetch(
        """
        INSERT INTO health_alarm (account, code, words, raised_at)
        SELECT $1, code, words, now() FROM unnest($2::text[], $3::text[]) AS given (code, words)
        ON CONFLICT (account, code) DO UPDATE SET words = excluded.words
        RETURNING code, xmax = 0 AS fresh
        """,
        account_id,
        list(alarms),
        [alarm.words for alarm in alarms.values()],
    )
    return [row["code"] for row in rows if row["fresh"]]
