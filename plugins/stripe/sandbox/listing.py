"""List answers: filters, cursors, ranges of `created`, newest first."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import ApiError, Json, missing_object
from plugins.stripe.sandbox.store.tables import Table
from plugins.stripe.sandbox.store.worlds import LABELS

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
_ON_CLOCKS = frozenset({"customer", "invoice", "invoiceitem", "subscription"})


def listed(
    call: Call,
    kind: str,
    filters: Json | None = None,
    *,
    keep: Callable[[Json], bool] = lambda _row: True,
    url: str | None = None,
) -> Json:
    """The page of a kind that the call asks for. Filters whose value is None do not filter."""
    table = call.world.table(kind)
    wanted = {path: value for path, value in (filters or {}).items() if value is not None}
    after, before = _cursors(call, table)
    span, inside = _created_range(call.params.get("created"))
    on_clock = _clock_rule(kind, wanted)
    rows = table.newest(
        wanted,
        lambda row: inside(row) and on_clock(row) and keep(row),
        after=after,
        before=before,
        span=span,
    )
    return page(call, rows, url or call.path, backwards=before is not None)


def page(call: Call, rows: Iterable[Json], url: str, *, backwards: bool = False) -> Json:
    """One page of rows that already begin at the cursor."""
    limit = min(max(call.params.get("limit", DEFAULT_LIMIT), 1), MAX_LIMIT)
    found = list(itertools.islice(rows, limit + 1))
    data = found[:limit]
    return {
        "object": "list",
        "data": data[::-1] if backwards else data,
        "has_more": len(found) > limit,
        "url": url,
    }


def _cursors(call: Call, table: Table) -> tuple[str | None, str | None]:
    after, before = call.params.get("starting_after"), call.params.get("ending_before")
    if after is not None and before is not None:
        raise ApiError(
            400, "Received both starting_after and ending_before parameters. Please pass in only one."
        )
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor is not None and not table.knows(cursor):
            raise missing_object(LABELS.get(table.kind, table.kind), cursor, param=name, status=400)
    return after, before


def _created_range(
    created: Any,
) -> tuple[tuple[int | None, int | None], Callable[[Json], bool]]:
    if created is None:
        return (None, None), lambda _row: True
    if isinstance(created, int):
        created = {"gte": created, "lte": created}
    lows = [created[k] + extra for k, extra in (("gte", 0), ("gt", 1)) if k in created]
    highs = [created[k] + extra for k, extra in (("lt", 0), ("lte", 1)) if k in created]
    low, high = max(lows, default=None), min(highs, default=None)

    def inside(row: Json) -> bool:
        stamp = row.get("created") or row.get("date") or 0
        return (low is None or stamp >= low) and (high is None or stamp < high)

    return (low, high), inside


def _clock_rule(kind: str, filters: Json) -> Callable[[Json], bool]:
    """Objects on a test clock show only in lists that ask for the clock or the customer."""
    if kind not in _ON_CLOCKS or "test_clock" in filters or "customer" in filters:
        return lambda _row: True
    return lambda row: row.get("test_clock") is None


def embedded(rows: list[Json], url: str, *, limit: int = DEFAULT_LIMIT) -> Json:
    """A list inside an object: its first page, with the total."""
    return {
        "object": "list",
        "data": rows[:limit],
        "has_more": len(rows) > limit,
        "total_count": len(rows),
        "url": url,
    }
