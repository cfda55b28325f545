"""Where the portal and a provider disagree: both values are kept until they agree or somebody chooses."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from portal.contract.facts import Mode
from portal.database.transaction import Connection, connection
from portal.errors import Conflict, NotFound
from portal.web.keysets import PAGE_SIZE, START, Cursor, Slice, cut, is_first_page_again
from portal.web.live import announce

Kind = Literal["conflict", "drift"]
Trusted = Literal["ours", "theirs", "person"]
Choice = Literal["ours", "theirs"]
ENDED = {"ours": "kept_ours", "theirs": "took_theirs"}
STANDS_FOR = timedelta(hours=1)
"""A choice for the portal's value takes time to get there; the same two values open nothing meanwhile."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Both values of a field. Values are texts for people: `$90.00`, `30 Nov 2026`."""

    account_id: int
    mode: Mode
    subject_kind: str
    """`invoice`, `customer`, `subscription`, `price`, …"""
    subject_id: int | None
    """Ours; None: the portal has no row for it."""
    external_id: str
    field: str
    ours: str
    theirs: str
    kind: Kind
    """`conflict`: both sides changed it; `drift`: one side did not hear of a change."""
    cause: str
    rule: str
    """What will happen when nobody chooses."""
    trusted: Trusted
    found_by: str
    """`event`, `task`, `resync` or `comparison`."""


@dataclass(frozen=True, slots=True)
class DifferenceFilter:
    """What a list shows: open ones, or those that ended; empty fields show all."""

    plugin: str
    still_open: bool = True
    account_id: int | None = None
    subject_kind: str = ""


@dataclass(frozen=True, slots=True)
class StoredDifference(Difference):
    """A difference as it is stored."""

    id: int
    plugin: str
    account_title: str
    subject_name: str
    state: str
    """`open`, `kept_ours`, `took_theirs`, `repaired` or `gone`."""
    found_at: datetime
    resolved_at: datetime | None
    resolved_by: str

    @property
    def seen(self) -> str:
        """Names the two values: a choice says with it what the person had before their eyes."""
        return hashlib.sha256(f"{self.ours}\0{self.theirs}".encode()).hexdigest()[:16]


class ValuesChanged(Conflict):
    """What somebody chose about is not what stands there now."""

    code = "DIFFERENCE_CHANGED"


async def note_difference(held: Connection, difference: Difference) -> bool:
    """Store it inside the caller's transaction, or bring the open one up to date; True when it is new.

    What a person decided a moment ago about the same two values, or ever about an invoice's, stays decided.
    """
    new = await held.fetchval(_NOTE, *_values(difference), STANDS_FOR)
    if new is None:
        return False
    await _announce(held, difference.subject_kind, difference.subject_id)
    return bool(new)


async def close_differences(
    held: Connection,
    account_id: int,
    external_id: str,
    *,
    fields: Collection[str] | None = None,
    state: Literal["gone", "repaired"] = "gone",
) -> int:
    """Close the open ones of an object because both sides agree again; returns how many there were."""
    rows = await held.fetch(
        """
        UPDATE sync_difference SET state = $4, resolved_at = now()
        WHERE account = $1 AND external_id = $2 AND state = 'open'
              AND ($3::text[] IS NULL OR field = ANY ($3))
        RETURNING subject_kind, subject_id
        """,
        account_id,
        external_id,
        None if fields is None else list(fields),
        state,
    )
    for row in rows:
        await _announce(held, row["subject_kind"], row["subject_id"])
    return len(rows)


async def open_among(held: Connection, account_id: int, external_ids: Sequence[str]) -> frozenset[str]:
    """Which of these objects have an open one."""
    rows = await held.fetch(
        """
        SELECT DISTINCT external_id FROM sync_difference
        WHERE account = $1 AND external_id = ANY ($2::text[]) AND state = 'open'
        """,
        account_id,
        external_ids,
    )
    return frozenset(row["external_id"] for row in rows)


async def open_counts(account_id: int | None = None) -> dict[str, int]:
    """How many are open, by kind; kinds without any are absent. None: of all connections."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT kind, count(*) AS open FROM sync_difference
            WHERE state = 'open' AND ($1::bigint IS NULL OR account = $1) GROUP BY kind
            """,
            account_id,
        )
    return {row["kind"]: row["open"] for row in rows}


async def list_differences(
    wanted: DifferenceFilter, cursor: Cursor = START, *, size: int = PAGE_SIZE
) -> Slice[StoredDifference]:
    """Newest first."""
    async with connection() as held:
        read = await _page(held, cursor, size, wanted)
        if is_first_page_again(read, cursor, size):
            cursor = START
            read = await _page(held, cursor, size, wanted)
    return cut(read, cursor, size, id_of=lambda row: row.id)


async def settled_lately(wanted: DifferenceFilter, *, size: int) -> tuple[StoredDifference, ...]:
    """Those that ended last, the last one first."""
    async with connection() as held:
        rows = await held.fetch(
            f"""
            {_SELECT} WHERE a.plugin = $1 AND d.state <> 'open' AND ($2::bigint IS NULL OR d.account = $2)
                            AND ($3 = '' OR d.subject_kind = $3)
            ORDER BY d.resolved_at DESC, d.id DESC LIMIT $4
            """,
            wanted.plugin,
            wanted.account_id,
            wanted.subject_kind,
            size,
        )
    return tuple(_stored(row) for row in rows)


async def differences_of(subject_kind: str, subject_id: int) -> tuple[StoredDifference, ...]:
    """The open ones of one of our rows, oldest first."""
    async with connection() as held:
        rows = await held.fetch(
            f"{_SELECT} WHERE d.subject_kind = $1 AND d.subject_id = $2 AND d.state = 'open' ORDER BY d.id",
            subject_kind,
            subject_id,
        )
    return tuple(_stored(row) for row in rows)


async def find_difference(difference_id: int) -> StoredDifference:
    """One of them.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held:
        row = await held.fetchrow(f"{_SELECT} WHERE d.id = $1", difference_id)
    if row is None:
        raise NotFound("There is no such difference.")
    return _stored(row)


async def decide(
    held: Connection, difference_id: int, choice: Choice, *, seen: str, by: str
) -> StoredDifference | None:
    """Mark the open difference as decided inside the caller's transaction, which carries the choice out.

    Returns None when the same was decided before: a second press. `seen` is what the difference shown had.

    Raises:
        NotFound: there is none.
        ValuesChanged: it ended otherwise, or the values are not the two that the person saw.
    """
    row = await held.fetchrow(f"{_SELECT} WHERE d.id = $1 FOR UPDATE OF d", difference_id)
    if row is None:
        raise NotFound("There is no such difference.")
    found = _stored(row)
    if found.state == ENDED[choice] or (found.state == "repaired" and choice == "theirs"):
        return None
    check_seen(found, seen)
    await held.execute(
        "UPDATE sync_difference SET state = $2, resolved_at = now(), resolved_by = $3 WHERE id = $1",
        difference_id,
        ENDED[choice],
        by,
    )
    await _announce(held, found.subject_kind, found.subject_id)
    return found


def check_seen(found: StoredDifference, seen: str) -> None:
    """Refuse a choice about other values than those that stand there now.

    Raises:
        ValuesChanged: it is not open any more, or has other values.
    """
    if found.state != "open":
        raise ValuesChanged("This was settled otherwise meanwhile.", hint="Look at it again.")
    if found.seen != seen:
        raise ValuesChanged(
            f"The values changed: here {found.ours or 'nothing'}, there {found.theirs or 'nothing'}.",
            hint="Look at them again and choose.",
        )


_NOTE = """
INSERT INTO sync_difference AS old (account, mode, subject_kind, subject_id, external_id, field, ours, theirs,
                                    kind, cause, rule, trusted, found_by, found_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now()
WHERE NOT EXISTS (
    SELECT FROM sync_difference d
    WHERE d.account = $1 AND d.external_id = $5 AND d.field = $6 AND d.ours = $7 AND d.theirs = $8
          AND (d.state = 'kept_ours' AND d.resolved_at > now() - $14::interval
               OR $3 = 'invoice' AND d.kind = 'conflict' AND $9 = 'conflict'
                  AND d.state IN ('kept_ours', 'took_theirs')))
ON CONFLICT (account, external_id, field) WHERE state = 'open' DO UPDATE
SET subject_id = excluded.subject_id, ours = excluded.ours, theirs = excluded.theirs, kind = excluded.kind,
    cause = excluded.cause, rule = excluded.rule, trusted = excluded.trusted
WHERE (old.subject_id, old.ours, old.theirs, old.kind, old.cause, old.rule, old.trusted) IS DISTINCT FROM
      (excluded.subject_id, excluded.ours, excluded.theirs, excluded.kind, excluded.cause, excluded.rule,
       excluded.trusted)
RETURNING xmax = 0
"""
_SELECT = """
SELECT d.*, a.plugin, a.title AS account_title,
       coalesce(CASE d.subject_kind
                WHEN 'invoice' THEN (SELECT number FROM invoice WHERE id = d.subject_id)
                WHEN 'customer' THEN (SELECT name FROM customer WHERE id = d.subject_id) END,
                '') AS subject_name
FROM sync_difference d JOIN connected_account a ON a.id = d.account
"""


async def _page(
    held: Connection, cursor: Cursor, size: int, wanted: DifferenceFilter
) -> list[StoredDifference]:
    rows: Sequence[Any] = await held.fetch(
        f"""
        {_SELECT} WHERE a.plugin = $1 AND (d.state = 'open') = $2 AND ($3::bigint IS NULL OR d.account = $3)
                        AND ($4 = '' OR d.subject_kind = $4) AND d.id {cursor.condition} $5
        ORDER BY d.id {cursor.order} LIMIT $6
        """,
        wanted.plugin,
        wanted.still_open,
        wanted.account_id,
        wanted.subject_kind,
        cursor.id,
        size + 1,
    )
    return [_stored(row) for row in rows]


def _stored(row: Any) -> StoredDifference:
    known = dict(row)
    known["account_id"] = known.pop("account")
    return StoredDifference(**{**known, "mode": Mode(known["mode"])})


def _values(difference: Difference) -> tuple[object, ...]:
    return (
        difference.account_id,
        difference.mode.value,
        difference.subject_kind,
        difference.subject_id,
        difference.external_id,
        difference.field,
        difference.ours,
        difference.theirs,
        difference.kind,
        difference.cause,
        difference.rule,
        difference.trusted,
        difference.found_by,
    )


async def _announce(held: Connection, subject_kind: str, subject_id: int | None) -> None:
    if subject_id is not None:
        await announce(held, f"{subject_kind}:{subject_id}")
