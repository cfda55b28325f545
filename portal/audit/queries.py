"""The audit log as a list: newest first, filtered by what was done and to what."""

from __future__ import annotations

from dataclasses import dataclass

from portal.audit.services import COLUMNS, Entry, to_entry
from portal.database.transaction import Connection, connection
from portal.web.keysets import (
    PAGE_SIZE,
    START,
    Cursor,
    Slice,
    cut,
    is_first_page_again,
    prefix_pattern,
)

PAGE = (
    f"SELECT {COLUMNS} FROM audit_entry WHERE id {{comparison}} $1 "  # noqa: S608 - constants and our own comparison
    "AND ($2 = '' OR action LIKE $2) AND ($3 = '' OR object_kind = $3) AND ($4 = '' OR object_id = $4) "
    "ORDER BY id {order} LIMIT $5"
)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What is asked for; empty texts ask for everything."""

    action: str = ""
    """The start of an action's name: `invoice.` or `invoice.voided`."""
    object_kind: str = ""
    object_id: str = ""

    @property
    def is_set(self) -> bool:
        """Whether anything is left out."""
        return bool(self.action or self.object_kind or self.object_id)


async def list_entries(wanted: AuditFilter, cursor: Cursor, *, size: int = PAGE_SIZE) -> Slice[Entry]:
    """One page of the log."""
    async with connection() as held:
        read = await _read(held, wanted, cursor, size)
        if is_first_page_again(read, cursor, size):
            cursor = START
            read = await _read(held, wanted, cursor, size)
    return cut(read, cursor, size, id_of=lambda entry: entry.id)


async def known_actions() -> list[str]:
    """The first words of the actions in the log, such as `invoice`, for the filter."""
    async with connection() as held:
        rows = await held.fetch(
            "SELECT DISTINCT split_part(action, '.', 1) AS area FROM audit_entry ORDER BY 1"
        )
    return [row["area"] for row in rows]


async def _read(held: Connection, wanted: AuditFilter, cursor: Cursor, size: int) -> list[Entry]:
    rows = await held.fetch(
        PAGE.format(comparison=cursor.condition, order=cursor.order),
        cursor.id,
        prefix_pattern(wanted.action) if wanted.action else "",
        wanted.object_kind,
        wanted.object_id,
        size + 1,
    )
    return [to_entry(row) for row in rows]
