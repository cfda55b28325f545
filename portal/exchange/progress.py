"""How far runs are, for pages and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.contract.plugin import Plugin
from portal.database.transaction import Connection, connection
from portal.exchange.comparisons import UNLISTED
from portal.exchange.cursors import BEGINNING
from portal.exchange.runs import Purpose

SHOWN = 8
UNDER_WAY = frozenset({"waiting", "running", "paused"})
TITLES = {
    Purpose.FIRST: "First sync",
    Purpose.RESYNC: "Resync",
    Purpose.COMPARISON: "Comparison",
}
OPEN_HERE = "Open here, not listed there"
FEWEST_SECONDS = 1.0
"""Before a rate means anything."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the objects that were read."""

    seen: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    differing: int = 0


@dataclass(frozen=True, slots=True)
class KindProgress:
    """One kind of object."""

    title: str
    share: float
    """From 0 to 1: how much of the range is done. What turned out to be empty weighs nothing."""
    done: bool
    begun: bool
    counts: Counts
    left_out: str
    """Why it was not read."""

    @property
    def percent(self) -> int:
        """The same for a bar, never 100 before the end."""
        return 100 if self.done else min(int(self.share * 100), 99)


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A run as people see it."""

    id: int
    account_id: int
    purpose: Purpose
    state: str
    wish: str
    range_from: datetime | None
    repairs: bool
    started_by: str
    created_at: datetime
    finished_at: datetime | None
    due_at: datetime | None
    error: str
    busy_seconds: float
    kinds: tuple[KindProgress, ...] = ()

    @property
    def title(self) -> str:
        """`Resync`."""
        return TITLES[self.purpose]

    @property
    def under_way(self) -> bool:
        """Whether it is not over."""
        return self.state in UNDER_WAY

    @property
    def may_resume(self) -> bool:
        """Whether it can go on where it stopped."""
        return self.state in ("paused", "failed")

    @property
    def counts(self) -> Counts:
        """All kinds together."""
        each = [kind.counts for kind in self.kinds]
        return Counts(
            sum(c.seen for c in each),
            sum(c.created for c in each),
            sum(c.updated for c in each),
            sum(c.unchanged for c in each),
            sum(c.differing for c in each),
        )

    @property
    def percent(self) -> int:
        """Of the whole run; a kind of which there was nothing weighs nothing."""
        if not self.kinds:
            return 0
        weighed = [kind for kind in self.kinds if kind.counts.seen or not kind.done]
        return sum(kind.percent for kind in weighed) // len(weighed) if weighed else 100

    @property
    def rate(self) -> float:
        """Objects a second; 0 while it cannot be told."""
        return self.counts.seen / self.busy_seconds if self.busy_seconds >= FEWEST_SECONDS else 0.0

    @property
    def current(self) -> KindProgress | None:
        """What is being read now."""
        return next((kind for kind in self.kinds if kind.begun and not kind.done), None)

    @property
    def seconds_left(self) -> int | None:
        """Of the kind that is being read, from what was seen of it; None while it cannot be told."""
        kind = self.current
        if kind is None or not self.rate or not 0.02 < kind.share < 1:
            return None
        return max(1, round(kind.counts.seen * (1 - kind.share) / kind.share / self.rate))

    @property
    def words(self) -> str:
        """The line beside the bar: `1,240 invoices, about 40 s left`."""
        kind = self.current
        if kind is None:
            if self.counts.seen:
                return f"{self.counts.seen:,} read so far"
            return "Waiting for a worker" if self.state == "waiting" else "About to begin"
        words = f"{kind.counts.seen:,} {kind.title.lower()}"
        left = self.seconds_left
        return f"{words}, about {duration(left)} left" if left and self.state == "running" else words


def duration(seconds: int) -> str:
    """`40 s`, `3 min`, `2 h`."""
    if seconds < 90:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{round(seconds / 3600)} h"


async def runs_of(account_id: int, plugin: Plugin, *, limit: int = SHOWN) -> list[RunProgress]:
    """The last runs of an account, newest first, each with its counts."""
    async with connection() as held:
        rows = await held.fetch(f"{_RUNS} WHERE account = $1 ORDER BY id DESC LIMIT $2", account_id, limit)
        kinds = await _kinds(held, [row["id"] for row in rows])
    return [_run(row, kinds.get(row["id"], []), plugin) for row in rows]


async def run_progress(run_id: int, plugin: Plugin) -> RunProgress | None:
    """One run."""
    async with connection() as held:
        row = await held.fetchrow(f"{_RUNS} WHERE id = $1", run_id)
        kinds = await _kinds(held, [run_id])
    return _run(row, kinds.get(run_id, []), plugin) if row else None


_RUNS = """
SELECT id, account AS account_id, purpose, state, wish, range_from, repairs, started_by, created_at,
       finished_at, due_at, error, busy_seconds, kinds FROM sync_run
"""
# The range of a slice that brought nothing and is done says nothing about the rest.
_KINDS = """
WITH weighed AS (
    SELECT c.*, extract(epoch FROM slice_to - coalesce(slice_from, $2))::float8 AS whole,
           CASE WHEN done THEN 0
                ELSE extract(epoch FROM coalesce(reached, slice_to) - coalesce(slice_from, $2))::float8
           END AS rest
    FROM sync_cursor c WHERE run = ANY ($1)
)
SELECT run, kind, bool_and(done) AS done, bool_or(done OR after IS NOT NULL OR seen > 0) AS begun,
       coalesce(1 - sum(greatest(rest, 0)) / nullif(sum(whole) FILTER (WHERE NOT done OR seen > 0), 0), 0)
           AS share,
       sum(seen)::bigint AS seen, sum(created)::bigint AS created, sum(updated)::bigint AS updated,
       sum(unchanged)::bigint AS unchanged, sum(differing)::bigint AS differing, max(error) AS error
FROM weighed GROUP BY run, kind
"""


async def _kinds(held: Connection, run_ids: Sequence[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in await held.fetch(_KINDS, list(run_ids), BEGINNING):
        found.setdefault(row["run"], []).append(row)
    return found


def _run(row: Any, kinds: Sequence[Any], plugin: Plugin) -> RunProgress:
    titles = {kind.id: kind.title for kind in plugin.listed_kinds} | {UNLISTED: OPEN_HERE}
    values = {**dict(row), "purpose": Purpose(row["purpose"])}
    order = [*values.pop("kinds"), UNLISTED]
    known = {kind["kind"]: _kind(kind, titles) for kind in kinds}
    return RunProgress(**values, kinds=tuple(known[name] for name in order if name in known))


def _kind(row: Any, titles: dict[str, str]) -> KindProgress:
    counts = Counts(row["seen"], row["created"], row["updated"], row["unchanged"], row["differing"])
    share = 1.0 if row["done"] else min(max(row["share"], 0.0), 1.0)
    return KindProgress(
        titles.get(row["kind"], row["kind"]), share, row["done"], row["begun"], counts, row["error"]
    )
