"""The outbox: queue, claim, finish, postpone. The rows are the queue of record; messages only ring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from portal.contract.errors import AccountAuthFailed, AccountNotReady, OutcomeUnknown, ProviderUnavailable
from portal.contract.facts import Mode
from portal.database.transaction import Connection, DatabaseBusy, connection, transaction
from portal.errors import PortalError
from portal.queue.rings import ring
from portal.sync.rules import MAX_ATTEMPTS, retry_delay
from portal.web.live import announce

TOLD_ON_INVOICE = frozenset({"publish_invoice", "void_invoice"})
"""Kinds whose state is the sync state of their invoice."""
LEASE_SECONDS = 45
"""Longer than any single task may take; a killed worker's task is free again after it."""


@dataclass(frozen=True, slots=True)
class Task:
    """A claimed piece of work. `first` is False when an earlier attempt may have reached the provider."""

    id: int
    account_id: int
    plugin: str
    mode: Mode
    kind: str
    subject_id: int
    stored_key: str
    key_generation: int
    attempts: int
    created_at: datetime

    @property
    def first(self) -> bool:
        """Whether nothing was sent for it before."""
        return self.attempts <= 1

    @property
    def idempotency_key(self) -> str:
        """The key of this piece of work, the same for every attempt; add a step's name to it."""
        return f"{self.stored_key}{self.key_suffix}"

    @property
    def key_suffix(self) -> str:
        """Empty for the first generation of keys."""
        return "" if self.key_generation == 1 else f":g{self.key_generation}"


async def queue_task(held: Connection, *, account_id: int, kind: str, subject_id: int) -> int:
    """Put a task into the outbox in the caller's transaction; there is one per kind and subject.

    One that was done before is done again; one that failed waits for a person.
    """
    row = await held.fetchrow(
        """
        INSERT INTO sync_task (account, mode, kind, subject_id, idempotency_key, due_at, created_at)
        SELECT a.id, a.mode, $2::text, $3::bigint,
               concat_ws(':', 'portal', (SELECT instance_id FROM organisation LIMIT 1),
                         a.id, a.mode, $2::text, $3::bigint),
               now(), now()
        FROM connected_account a WHERE a.id = $1
        ON CONFLICT (idempotency_key) DO UPDATE SET due_at = now(), finished_at = NULL,
               state = CASE sync_task.state WHEN 'done' THEN 'waiting' ELSE sync_task.state END
        RETURNING id, (SELECT plugin FROM connected_account WHERE id = $1) AS plugin
        """,
        account_id,
        kind,
        subject_id,
    )
    if row is None:
        raise PortalError("The connection that should do this is gone.")
    await ring(held, f"{row['plugin']}.run_sync_task", row["id"])
    return int(row["id"])


async def claim_task(task_id: int) -> Task | None:
    """Take the task for `LEASE_SECONDS`; None when it is done, not due, or somebody else has it."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            UPDATE sync_task t SET state = 'sending', attempts = attempts + 1,
                   lease_until = now() + make_interval(secs => $2)
            FROM connected_account a
            WHERE t.id = $1 AND a.id = t.account AND a.state <> 'disconnected'
              AND (t.state IN ('waiting', 'unknown') OR (t.state = 'sending' AND t.lease_until < now()))
              AND t.due_at <= now()
            RETURNING t.id, t.account AS account_id, a.plugin, t.mode, t.kind, t.subject_id,
                      t.idempotency_key AS stored_key, t.key_generation, t.attempts, t.created_at
            """,
            task_id,
            LEASE_SECONDS,
        )
    return Task(**{**dict(row), "mode": Mode(row["mode"])}) if row else None


async def renew_key(task: Task) -> Task:
    """The task with keys of the next generation, stored before they are used. Look for the object first."""
    async with connection() as held:
        generation: int = await held.fetchval(
            "UPDATE sync_task SET key_generation = $2 + 1 WHERE id = $1 RETURNING key_generation",
            task.id,
            task.key_generation,
        )
    return replace(task, key_generation=generation, attempts=task.attempts + 1)


async def finish_task(held: Connection, task: Task) -> None:
    """Mark it done inside the transaction that stored what it brought."""
    await held.execute(
        """
        UPDATE sync_task SET state = 'done', finished_at = now(), error = '', lease_until = NULL
        WHERE id = $1
        """,
        task.id,
    )


async def give_back(task: Task, error: PortalError) -> None:
    """Decide what an error means for the task: later, unknown, or failed with words. Work is kept."""
    async with transaction() as tx:
        if isinstance(error, ProviderUnavailable | OutcomeUnknown | AccountAuthFailed | DatabaseBusy):
            await _postpone(tx.connection, task, error)
        else:
            await _fail(tx.connection, task, error)


async def release_due(held: Connection, limit: int = 500) -> int:
    """Ring again for tasks that nobody holds: due, or held by a worker that died. Returns how many."""
    rows = await held.fetch(
        """
        SELECT t.id, a.plugin FROM sync_task t JOIN connected_account a ON a.id = t.account
        WHERE t.state IN ('waiting', 'sending', 'unknown') AND t.due_at < now() - interval '5 seconds'
          AND (t.lease_until IS NULL OR t.lease_until < now()) AND a.state <> 'disconnected'
        ORDER BY t.due_at, t.id LIMIT $1
        """,
        limit,
    )
    for row in rows:
        await ring(held, f"{row['plugin']}.run_sync_task", row["id"])
    return len(rows)


async def _postpone(held: Connection, task: Task, error: PortalError) -> None:
    waits_for_account = isinstance(error, AccountAuthFailed | AccountNotReady)
    if task.attempts >= MAX_ATTEMPTS and not waits_for_account:
        await _fail(held, task, error)
        return
    asked = error.retry_after if isinstance(error, ProviderUnavailable) else None
    delay = retry_delay(task.attempts, asked=asked)
    await held.execute(
        """
        UPDATE sync_task SET state = $2, error = $3, lease_until = NULL,
               due_at = now() + make_interval(secs => $4)
        WHERE id = $1
        """,
        task.id,
        "unknown" if isinstance(error, OutcomeUnknown) else "waiting",
        error.message,
        delay,
    )
    await _tell(held, task, "waiting", error.message)
    await ring(held, f"{task.plugin}.run_sync_task", task.id, delay_ms=round(delay * 1000))


async def _fail(held: Connection, task: Task, error: PortalError) -> None:
    words = f"{error.message} {error.hint}".strip()
    await held.execute(
        """
        UPDATE sync_task SET state = 'failed', error = $2, finished_at = now(), lease_until = NULL
        WHERE id = $1
        """,
        task.id,
        words,
    )
    await _tell(held, task, "failed", words)


async def _tell(held: Connection, task: Task, sync_state: str, words: str) -> None:
    if task.kind not in TOLD_ON_INVOICE:
        return
    # The invoice's own columns repeat the state so that its page and the list need no second query.
    await held.execute(
        "UPDATE invoice SET sync_state = $2, sync_error = $3 WHERE id = $1",
        task.subject_id,
        sync_state,
        words,
    )
    await announce(held, f"invoice:{task.subject_id}")
