"""The outbox: a worker takes a task for a while."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from portal.contract.facts import Mode
from portal.database.transaction import Connection, connection
from portal.queue.rings import ring

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
    asked: int
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
                      t.idempotency_key AS stored_key, t.key_generation, t.asked, t.attempts, t.created_at
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
