"""What a process holds of a queue, and what became of it, until PostgreSQL has been told."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import asyncpg

from portal.queue import statements

LONGEST_HOLD_SECONDS = 3600.0


@dataclass(slots=True)
class Outcomes:
    """Jobs whose rows are to be changed: finished, given back unread, retried later, or dead."""

    finished: list[int] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    retried: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Job id to (delay in milliseconds, options as JSON)."""
    dead: dict[int, str] = field(default_factory=dict)
    """Job id to the reason."""

    def __bool__(self) -> bool:
        return bool(self.finished or self.released or self.retried or self.dead)

    def ids(self) -> set[int]:
        """Every job that something became of."""
        return {*self.finished, *self.released, *self.retried, *self.dead}


class Leases:
    """The jobs of one queue that this process holds. It outlives the consumer that fetched them.

    Worker threads report outcomes; the consumer's task writes them in batches. Nothing here waits.
    """

    def __init__(self, owner: uuid.UUID) -> None:
        self.owner = owner
        self._lock = threading.Lock()
        self._held: dict[int, float] = {}
        self._outcomes = Outcomes()
        self._listener: Callable[[], None] | None = None

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Call it, from any thread, whenever an outcome is reported. None: nobody listens any more."""
        with self._lock:
            self._listener = listener

    def hold(self, job_ids: list[int]) -> None:
        """These were fetched; keep their leases."""
        with self._lock:
            self._held.update(dict.fromkeys(job_ids, time.monotonic()))

    def held(self) -> list[int]:
        """Every job that still needs its lease.

        A job held longer than any may run is stuck in a thread that cannot be interrupted: its lease may end.
        """
        oldest = time.monotonic() - LONGEST_HOLD_SECONDS
        with self._lock:
            return [job_id for job_id, since in self._held.items() if since > oldest]

    def count_held(self) -> int:
        """How many leases are kept."""
        with self._lock:
            return len(self._held)

    def finish(self, job_id: int) -> None:
        """It ran: delete it."""
        self._report(lambda outcomes: outcomes.finished.append(job_id))

    def release(self, job_ids: list[int]) -> None:
        """They were never begun: let another worker have them."""
        self._report(lambda outcomes: outcomes.released.extend(job_ids))

    def retry(self, job_id: int, *, delay_ms: int, options: dict[str, object]) -> None:
        """It failed: deliver it again after the delay, with these options."""
        written = json.dumps(options, separators=(",", ":"))
        self._report(lambda outcomes: outcomes.retried.update({job_id: (delay_ms, written)}))

    def bury(self, job_id: int, *, reason: str) -> None:
        """It will not be delivered again: make it a dead letter."""
        self._report(lambda outcomes: outcomes.dead.update({job_id: reason}))

    def take_outcomes(self) -> Outcomes:
        """What is not written yet. Give it to `settled` when it is, or to `put_back` when that failed."""
        with self._lock:
            taken, self._outcomes = self._outcomes, Outcomes()
            return taken

    def settled(self, outcomes: Outcomes) -> None:
        """PostgreSQL knows: forget the leases."""
        with self._lock:
            for job_id in outcomes.ids():
                self._held.pop(job_id, None)

    def put_back(self, outcomes: Outcomes) -> None:
        """PostgreSQL was not told: it is for the next connection to do."""
        with self._lock:
            self._outcomes.finished.extend(outcomes.finished)
            self._outcomes.released.extend(outcomes.released)
            self._outcomes.retried.update(outcomes.retried)
            self._outcomes.dead.update(outcomes.dead)

    def _report(self, change: Callable[[Outcomes], None]) -> None:
        with self._lock:
            change(self._outcomes)
            listener = self._listener
        if listener is not None:
            listener()


async def write_outcomes(connection: asyncpg.Connection[asyncpg.Record], leases: Leases) -> Outcomes:
    """Tell PostgreSQL what became of the jobs; returns what was written.

    Rows whose lease ran out and that another process took are left to it. Writing twice changes nothing.
    """
    outcomes = leases.take_outcomes()
    try:
        await _write(connection, leases.owner, outcomes)
    except BaseException:
        leases.put_back(outcomes)
        raise
    leases.settled(outcomes)
    return outcomes


async def _write(
    connection: asyncpg.Connection[asyncpg.Record], owner: uuid.UUID, outcomes: Outcomes
) -> None:
    if outcomes.finished:
        await connection.execute(statements.FINISH, outcomes.finished, owner)
    if outcomes.retried:
        delays, options = zip(*outcomes.retried.values(), strict=True)
        await connection.execute(statements.RETRY, list(outcomes.retried), owner, delays, options)
    if outcomes.dead:
        await connection.execute(statements.BURY, list(outcomes.dead), owner, list(outcomes.dead.values()))
    if outcomes.released:
        await connection.execute(statements.RELEASE, outcomes.released, owner)
