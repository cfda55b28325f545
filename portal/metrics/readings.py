"""The figures as the database knows them, so that every web process gives the same answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portal.database.transaction import Connection, connection
from portal.queue.jobs import QueueCounts, count_dead, read_counts

FRESH_SECONDS = 2.0
MOST = 10_000
"""More than so many waiting rows of an account are not counted: the figure stays cheap in bad times."""

_ACCOUNTS = """
SELECT a.id::text AS account, a.plugin, a.mode, a.state, b.tokens, b.per_second,
       extract(epoch FROM now() - a.last_event_at)::float8 AS last_event_age,
       (SELECT extract(epoch FROM now() - min(e.due_at))::float8 FROM webhook_event e
         WHERE e.account = a.id AND e.state IN ('received', 'processing') AND e.due_at <= now()) AS lag
FROM connected_account a LEFT JOIN call_budget b ON b.account = a.id
WHERE a.state <> 'disconnected' ORDER BY a.id
"""
_EVENTS = """
SELECT e.account::text, e.state, count(*) FROM (
    (SELECT account, state FROM webhook_event WHERE state IN ('received', 'processing') LIMIT $1)
    UNION ALL (SELECT account, state FROM webhook_event WHERE state = 'parked' LIMIT $1)) e
GROUP BY 1, 2
"""
_TASKS = """
SELECT account::text, state, count(*) FROM (
    SELECT account, state FROM sync_task WHERE state <> 'done' LIMIT $1) t GROUP BY 1, 2
"""
_HAPPENED = """
SELECT account::text, what, sum(happened)::bigint FROM account_count
WHERE hour = date_trunc('hour', now(), 'UTC') GROUP BY 1, 2
"""
_REFUSED = """
SELECT account::text, reason, sum(refused)::bigint FROM delivery_refusal
WHERE hour = date_trunc('hour', now(), 'UTC') GROUP BY 1, 2
"""

Counts = Mapping[tuple[str, str], int]
"""By account and the name of a state, a reason or a kind."""


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """One connection. Titles are people's words and stay out."""

    account: str
    plugin: str
    mode: str
    state: str
    tokens: float | None
    """Of its call budget; None: it has made no call yet."""
    per_second: float | None
    last_event_age: float | None
    lag: float | None
    """Seconds for which the oldest event that is due has waited; None: none is."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything at one moment."""

    accounts: Sequence[AccountFigures]
    events: Counts
    tasks: Counts
    happened: Counts
    refused: Counts
    queues: Sequence[QueueCounts]
    dead_jobs: int


class SharedFigures:
    """Asks the database at most every two seconds, however often and by however many it is asked itself."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._read_at = float("-inf")
        self._figures: Figures | None = None

    async def get(self) -> Figures:
        """The figures, two seconds old at most.

        Raises:
            DatabaseBusy: there is no connection.
        """
        async with self._lock:
            if self._figures is None or time.monotonic() - self._read_at > FRESH_SECONDS:
                self._figures = await _read()
                self._read_at = time.monotonic()
            return self._figures

    def forget(self) -> None:
        """Ask anew next time, for tests that change rows."""
        self._figures = None


async def _read() -> Figures:
    async with connection() as held:
        return Figures(
            accounts=[AccountFigures(**dict(row)) for row in await held.fetch(_ACCOUNTS)],
            events=await _counts(held, _EVENTS, MOST),
            tasks=await _counts(held, _TASKS, MOST),
            happened=await _counts(held, _HAPPENED),
            refused=await _counts(held, _REFUSED),
            queues=await read_counts(held),
            dead_jobs=await count_dead(held),
        )


async def _counts(held: Connection, query: str, *arguments: int) -> Counts:
    return {(row[0], row[1]): row[2] for row in await held.fetch(query, *arguments)}
