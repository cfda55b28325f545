"""Who works on a run: claimed with a lease, kept by a heartbeat, given back when a stretch of work ends."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from portal.contract.errors import (
    AccountAuthFailed,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
    UnforeseenError,
)
from portal.database.transaction import Connection, DatabaseBusy, transaction
from portal.errors import PortalError
from portal.exchange.runs import WORK_ON_RUN, Purpose
from portal.queue.rings import ring
from portal.web.live import announce

LEASE_SECONDS = 30
"""A killed worker's run is free again after it."""
LONGEST_DELAY = 300.0
MOST_FAILURES = 40
"""In a row, without a page in between: some three hours."""
FEWEST_FAILURES = 5
"""The same for what does not look as if it would pass."""


class LeaseLost(Exception):
    """Another worker, or a person, has the run now: nothing more may be written for it."""


@dataclass(frozen=True, slots=True)
class Run:
    """A claimed run."""

    id: int
    account_id: int
    purpose: Purpose
    kinds: tuple[str, ...]
    range_from: datetime | None
    repairs: bool
    owner: str
    wish: str
    failures: int
    created_at: datetime
    started_at: datetime


async def claim_run(run_id: int) -> Run | None:
    """Take the run for `LEASE_SECONDS`; None when it is over, paused, not due, or somebody has it."""
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            WITH free AS (
                SELECT id FROM sync_run
                WHERE id = $1 AND state IN ('waiting', 'running')
                  AND (lease_until IS NULL OR lease_until < now()) AND (due_at IS NULL OR due_at <= now())
                FOR UPDATE
            )
            UPDATE sync_run r SET state = 'running', owner = $2, due_at = NULL,
                   lease_until = now() + make_interval(secs => $3), started_at = coalesce(started_at, now())
            FROM free WHERE r.id = free.id
            RETURNING r.id, account AS account_id, purpose, kinds, range_from, repairs, owner, wish, failures,
                      created_at, started_at
            """,
            run_id,
            uuid.uuid4().hex,
            LEASE_SECONDS,
        )
        if row is None:
            return None
        await announce(tx.connection, f"run:{row['account_id']}")
    return _run(row)


async def hold_lease(held: Connection, run: Run) -> None:
    """Make sure that the run is still ours; no other worker gets it before the caller's transaction ends.

    A heartbeat and a person's wish do not wait for that: one page or another is always being written.

    Raises:
        LeaseLost: it is not.
    """
    mine = await held.fetchval(
        "SELECT true FROM sync_run WHERE id = $1 AND owner = $2 AND state = 'running' FOR KEY SHARE",
        run.id,
        run.owner,
    )
    if not mine:
        raise LeaseLost


async def beat(run: Run, seconds: float) -> str:
    """Keep the lease, count the time that was worked, tell open pages; returns what a person wishes.

    Raises:
        LeaseLost: the run is not ours any more.
    """
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            UPDATE sync_run SET lease_until = now() + make_interval(secs => $3),
                   busy_seconds = busy_seconds + $4
            WHERE id = $1 AND owner = $2 AND state = 'running' RETURNING wish
            """,
            run.id,
            run.owner,
            LEASE_SECONDS,
            seconds,
        )
        if row is None:
            raise LeaseLost
        await announce(tx.connection, f"run:{run.account_id}")
    return str(row["wish"])


async def hand_back(run: Run, *, progressed: bool) -> None:
    """End a stretch of work: the next one may begin at once, in any worker."""
    later = _Later(failures=0 if progressed else run.failures)
    async with transaction() as tx:
        if await _leave(tx.connection, run, "waiting", later):
            await ring(tx.connection, WORK_ON_RUN, run.id)


async def grant_wish(run: Run, wish: str) -> None:
    """Pause or stop, as a person asked."""
    async with transaction() as tx:
        await _leave(tx.connection, run, "stopped" if wish == "stop" else "paused")


async def finish_run(run: Run) -> None:
    """Everything was read."""
    async with transaction() as tx:
        await _leave(tx.connection, run, "done")


async def give_back_run(run: Run, error: PortalError, *, progressed: bool) -> None:
    """Decide what an error means: later, or the end with words. The places in the lists are kept."""
    failures = 1 if progressed else run.failures + 1
    words = f"{error.message} {error.hint}".strip()
    async with transaction() as tx:
        if not _passes(error, failures):
            await _leave(tx.connection, run, "failed", _Later(words))
            return
        asked = error.retry_after if isinstance(error, ProviderUnavailable) else None
        delay = max(asked or 0.0, min(2.0**failures, LONGEST_DELAY) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        if await _leave(tx.connection, run, "waiting", _Later(words, failures, delay)):
            await ring(tx.connection, WORK_ON_RUN, run.id, delay_ms=round(delay * 1000) + 50)


async def end_of_connection(run: Run, words: str) -> None:
    """The account was disconnected meanwhile."""
    async with transaction() as tx:
        await _leave(tx.connection, run, "stopped", _Later(words))


def _passes(error: PortalError, failures: int) -> bool:
    if isinstance(error, AccountAuthFailed):
        return False
    lasting = isinstance(error, UnforeseenError) or not isinstance(
        error, ProviderUnavailable | OutcomeUnknown | DatabaseBusy
    )
    refused = isinstance(error, ProviderError) and lasting and not isinstance(error, UnforeseenError)
    return not refused and failures < (FEWEST_FAILURES if lasting else MOST_FAILURES)


@dataclass(frozen=True, slots=True)
class _Later:
    """Why the work could not be done, how often in a row, and when it is tried again."""

    error: str = ""
    failures: int = 0
    delay: float = 0.0


async def _leave(held: Connection, run: Run, state: str, later: _Later = _Later()) -> bool:
    """Write the state after us; False when the run is not ours any more."""
    row = await held.fetchrow(
        """
        UPDATE sync_run SET state = $3::text, error = $4, failures = $5, owner = '', lease_until = NULL,
               wish = CASE WHEN $3 = 'waiting' THEN wish ELSE '' END,
               due_at = CASE WHEN $6 > 0 THEN now() + make_interval(secs => $6) END,
               finished_at = CASE WHEN $3 IN ('done', 'stopped', 'failed') THEN now() END
        WHERE id = $1 AND owner = $2 AND state = 'running' RETURNING id
        """,
        run.id,
        run.owner,
        state,
        later.error,
        later.failures,
        later.delay,
    )
    if row is not None:
        await announce(held, f"run:{run.account_id}")
    return row is not None


def _run(row: Record) -> Run:
    values = {**dict(row), "purpose": Purpose(row["purpose"]), "kinds": tuple(row["kinds"])}
    return Run(**values)
