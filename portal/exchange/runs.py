"""Runs over everything of an account: start, pause, resume, stop. The worker's side is `run_work`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from asyncpg import Record

from portal.accounts.services import DISCONNECTED
from portal.audit.services import SYSTEM, Actor, record
from portal.contract.plugin import Plugin
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound
from portal.queue.rings import ring
from portal.web.live import announce

WORK_ON_RUN = "portal.work_on_run"
RANGES = {
    "30d": ("The last 30 days", timedelta(days=30)),
    "12m": ("The last 12 months", timedelta(days=365)),
    "all": ("Everything", None),
}
"""What a person may choose: the objects that the provider made since then."""


class Purpose(StrEnum):
    """What a run is for."""

    FIRST = "first"
    RESYNC = "resync"
    COMPARISON = "comparison"


class RunEnded(Conflict):
    """Somebody paused, resumed or stopped a run that cannot take it any more."""

    code = "RUN_ENDED"


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What is to be read. No kinds: all that the plugin lists, or all that can still change to compare."""

    account_id: int
    plugin: Plugin
    purpose: Purpose = Purpose.RESYNC
    kinds: Sequence[str] = ()
    since: datetime | None = None
    repairs: bool = False
    """A comparison that mends what only the provider's side can decide."""


@dataclass(frozen=True, slots=True)
class Started:
    """The run that an order led to; `fresh` is False when one was under way and goes on instead."""

    run_id: int
    fresh: bool


def range_start(name: str, now: datetime | None = None) -> datetime | None:
    """Since when, for one of `RANGES`; None: from the beginning."""
    back = RANGES[name][1]
    return None if back is None else (now or datetime.now(UTC)) - back


def kinds_for(plugin: Plugin, purpose: Purpose, wanted: Sequence[str] = ()) -> list[str]:
    """The kinds of a run in the order in which they are read: what others refer to comes first."""
    return [
        kind.id
        for kind in plugin.listed_kinds
        if (kind.open_only or purpose is not Purpose.COMPARISON) and (not wanted or kind.id in wanted)
    ]


async def start_run(order: RunOrder, *, actor: Actor) -> Started:
    """Begin a run, or find the one that is under way: an account has one at a time.

    Raises:
        NotFound: the plugin lists nothing of what is wanted.
    """
    async with transaction() as tx:
        run_id = await queue_run(tx.connection, order, actor=actor)
        if run_id is not None:
            return Started(run_id, fresh=True)
    async with connection() as held:
        under_way = await held.fetchval(
            "SELECT max(id) FROM sync_run WHERE account = $1 AND state IN ('waiting', 'running', 'paused')",
            order.account_id,
        )
    if under_way is None:
        raise Conflict("Another run ended just now.", hint="Start again.")
    return Started(int(under_way), fresh=False)


async def queue_run(held: Connection, order: RunOrder, *, actor: Actor) -> int | None:
    """Put a run into the caller's transaction; None when one is under way already.

    Raises:
        NotFound: the plugin lists nothing of what is wanted.
    """
    kinds = kinds_for(order.plugin, order.purpose, order.kinds)
    if not kinds:
        raise NotFound("There is nothing of this kind to read.", hint="Choose other kinds.")
    row = await held.fetchrow(
        """
        INSERT INTO sync_run (account, mode, purpose, kinds, range_from, repairs, started_by, created_at)
        SELECT id, mode, $2, $3, $4, $5, $6, now()
        FROM connected_account WHERE id = $1 AND state <> 'disconnected'
        ON CONFLICT (account) WHERE state IN ('waiting', 'running', 'paused') DO NOTHING
        RETURNING id, account, mode
        """,
        order.account_id,
        order.purpose.value,
        kinds,
        order.since,
        order.repairs,
        "" if actor == SYSTEM else actor.name,
    )
    if row is None:
        return None
    await ring(held, WORK_ON_RUN, row["id"])
    await announce(held, f"run:{order.account_id}")
    if actor != SYSTEM:
        words = "Started a comparison." if order.purpose is Purpose.COMPARISON else "Started a resync."
        await _note(held, actor, ("sync.started", words), row)
    return int(row["id"])


async def pause_run(run_id: int, *, actor: Actor) -> None:
    """Have the run stop after the pages that are being read; it keeps its place.

    Raises:
        RunEnded: it does not run any more.
    """
    await _wish(run_id, "pause", actor=actor)


async def stop_run(run_id: int, *, actor: Actor) -> None:
    """End the run after the pages that are being read. What it brought stays.

    Raises:
        RunEnded: it does not run any more.
    """
    await _wish(run_id, "stop", actor=actor)


async def resume_run(run_id: int, *, actor: Actor) -> None:
    """Go on where a paused or failed run stopped.

    Raises:
        RunEnded: it is neither, or another run began meanwhile.
    """
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            UPDATE sync_run r SET state = 'waiting', wish = '', error = '', failures = 0, due_at = NULL,
                   finished_at = NULL
            WHERE r.id = $1 AND r.state IN ('paused', 'failed')
              AND NOT EXISTS (SELECT 1 FROM sync_run o WHERE o.account = r.account AND o.id <> r.id
                              AND o.state IN ('waiting', 'running', 'paused'))
            RETURNING r.account, r.mode
            """,
            run_id,
        )
        if row is None:
            raise RunEnded("This run cannot go on.", hint="Start a new one: it changes only what differs.")
        await ring(tx.connection, WORK_ON_RUN, run_id)
        await announce(tx.connection, f"run:{row['account']}")
        await _note(tx.connection, actor, ("sync.resumed", "Resumed a resync."), row)


async def ring_for_runs(held: Connection) -> int:
    """Ring for the runs that nobody holds, and end those of connections that are gone. Returns how many."""
    await held.execute(
        """
        UPDATE sync_run r SET state = 'stopped', finished_at = now(), error = $1, owner = '',
               lease_until = NULL
        FROM connected_account a
        WHERE a.id = r.account AND a.state = 'disconnected' AND r.state IN ('waiting', 'running', 'paused')
        """,
        DISCONNECTED,
    )
    rows = await held.fetch(
        """
        SELECT id FROM sync_run
        WHERE state IN ('waiting', 'running') AND (lease_until IS NULL OR lease_until < now())
          AND (due_at IS NULL OR due_at <= now())
        ORDER BY id
        """
    )
    for row in rows:
        await ring(held, WORK_ON_RUN, row["id"])
    return len(rows)


async def _wish(run_id: int, wish: str, *, actor: Actor) -> None:
    """Who holds the run does it within a second; a run that nobody holds is changed here."""
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            WITH seen AS (
                SELECT id, state = 'running' AND lease_until > now() AS held FROM sync_run
                WHERE id = $1 AND (state IN ('waiting', 'running') OR (state = 'paused' AND $2 = 'stop'))
                FOR NO KEY UPDATE
            )
            UPDATE sync_run r SET
                wish = CASE WHEN seen.held THEN $2 ELSE '' END,
                state = CASE WHEN seen.held THEN r.state WHEN $2 = 'stop' THEN 'stopped' ELSE 'paused' END,
                finished_at = CASE WHEN $2 = 'stop' AND NOT seen.held THEN now() END
            FROM seen WHERE r.id = seen.id
            RETURNING r.account, r.mode
            """,
            run_id,
            wish,
        )
        if row is None:
            raise RunEnded("This run does not run any more.")
        await announce(tx.connection, f"run:{row['account']}")
        await _note(tx.connection, actor, _SAID[wish], row)


_SAID = {"pause": ("sync.paused", "Paused a resync."), "stop": ("sync.stopped", "Stopped a resync.")}


async def _note(held: Connection, actor: Actor, said: tuple[str, str], row: Record) -> None:
    action, words = said
    subject = ("connected_account", row["account"])
    await record(held, actor=actor, action=action, words=words, subject=subject, mode=row["mode"])
