"""The slices of a run: each is a kind of object within a range of time, with its place in the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from asyncpg import Record

from portal.contract.work import PageWanted
from portal.database.transaction import Connection

BEGINNING = datetime(2010, 1, 1, tzinfo=UTC)
"""Nothing at a provider is older, so that a range without a start can be cut."""
SHORTEST = timedelta(seconds=2)
COLUMNS = "id, kind, slice, slice_from, slice_to, after, done, reached"


class CursorMoved(Exception):
    """Somebody else wrote this page; nothing of it may be written again."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a slice's list is."""

    id: int
    kind: str
    slice: int
    slice_from: datetime | None
    slice_to: datetime | None
    after: str | None
    done: bool
    reached: datetime | None

    def wanted(self, *, open_only: bool) -> PageWanted:
        """The next page."""
        return PageWanted(self.kind, self.after, self.slice_from, self.slice_to, open_only)


@dataclass(frozen=True, slots=True)
class Moved:
    """What a page did to its slice: counts, and where the list is now."""

    after: str | None
    reached: datetime | None
    seen: int
    created: int
    updated: int
    unchanged: int
    differing: int


async def make_cursors(
    held: Connection, run_id: int, kinds: Sequence[tuple[str, datetime | None]], until: datetime
) -> None:
    """One slice for each kind, as a run begins; a second call adds nothing."""
    await held.executemany(
        """
        INSERT INTO sync_cursor (run, kind, slice, slice_from, slice_to) VALUES ($1, $2, 0, $3, $4)
        ON CONFLICT (run, kind, slice) DO NOTHING
        """,
        [(run_id, kind, since, until) for kind, since in kinds],
    )


async def open_cursors(held: Connection, run_id: int, kind: str) -> list[Cursor]:
    """The slices of a kind that have pages left, newest first."""
    rows = await held.fetch(
        f"""
        SELECT {COLUMNS} FROM sync_cursor WHERE run = $1 AND kind = $2 AND NOT done
        ORDER BY slice_to DESC NULLS FIRST
        """,  # noqa: S608 - a constant list of columns
        run_id,
        kind,
    )
    return [_cursor(row) for row in rows]


async def move_cursor(held: Connection, cursor: Cursor, moved: Moved) -> Cursor:
    """Move on in the transaction that wrote the page.

    Raises:
        CursorMoved: it is not where the page was asked from.
    """
    row = await held.fetchrow(
        f"""
        UPDATE sync_cursor SET after = $3, done = $3::text IS NULL, reached = least(reached, $4),
               seen = seen + $5, created = created + $6, updated = updated + $7, unchanged = unchanged + $8,
               differing = differing + $9
        WHERE id = $1 AND after IS NOT DISTINCT FROM $2 AND NOT done
        RETURNING {COLUMNS}
        """,  # noqa: S608 - a constant list of columns
        cursor.id,
        cursor.after,
        moved.after,
        moved.reached,
        moved.seen,
        moved.created,
        moved.updated,
        moved.unchanged,
        moved.differing,
    )
    if row is None:
        raise CursorMoved
    return _cursor(row)


async def split_cursor(held: Connection, cursor: Cursor) -> list[Cursor]:
    """Cut off the older half of what is left, for another lane. Only who reads the slice may do so.

    Returns:
        The slice and its older half; the slice alone when there is too little left to cut.
    """
    middle = middle_of_rest(cursor)
    if middle is None:
        return [cursor]
    row = await held.fetchrow(
        f"""
        WITH kept AS (UPDATE sync_cursor SET slice_from = $2 WHERE id = $1 RETURNING run, kind)
        INSERT INTO sync_cursor (run, kind, slice, slice_from, slice_to)
        SELECT kept.run, kept.kind, nextval('sync_cursor_id_seq'), $3, $2 FROM kept
        RETURNING {COLUMNS}
        """,  # noqa: S608 - a constant list of columns
        cursor.id,
        middle,
        cursor.slice_from,
    )
    return [replace(cursor, slice_from=middle), *([_cursor(row)] if row else [])]


def middle_of_rest(cursor: Cursor) -> datetime | None:
    """Where to cut what is left of a slice, in whole seconds as providers count; None: it is too short."""
    start, end = cursor.slice_from or BEGINNING, cursor.reached or cursor.slice_to
    if cursor.done or cursor.after is None or end is None or end - start < 2 * SHORTEST:
        return None
    return (start + (end - start) / 2).replace(microsecond=0)


async def rewind_cursor(held: Connection, cursor: Cursor) -> Cursor | None:
    """Go on by time, when the provider no longer knows the object that the cursor names.

    The second of the oldest object is read once more. None: there is no time to go by, or it was gone by
    already, so that something else is the matter.
    """
    if cursor.after is None or cursor.reached is None:
        return None
    row = await held.fetchrow(
        f"""
        UPDATE sync_cursor SET after = NULL, slice_to = least(slice_to, reached + interval '1 second')
        WHERE id = $1 AND after = $2 AND NOT done AND coalesce(slice_to > reached + interval '1 second', true)
        RETURNING {COLUMNS}
        """,  # noqa: S608 - a constant list of columns
        cursor.id,
        cursor.after,
    )
    return _cursor(row) if row else None


async def leave_out(held: Connection, run_id: int, kind: str, why: str) -> None:
    """End a kind that cannot be read, with the reason."""
    await held.execute(
        "UPDATE sync_cursor SET done = true, error = $3 WHERE run = $1 AND kind = $2 AND NOT done",
        run_id,
        kind,
        why,
    )


def _cursor(row: Record) -> Cursor:
    return Cursor(**dict(row))
