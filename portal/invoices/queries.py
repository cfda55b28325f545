"""The list of invoices: tabs, search, counts. Its order is the falling id, so each page is quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from portal.contract.facts import Mode
from portal.database.transaction import Connection, connection
from portal.money import Money
from portal.web.keysets import PAGE_SIZE, START, Cursor, Slice, cut, is_first_page_again, prefix_pattern

SHORTEST_SEARCH = 2
COUNT_CEILING = 10_000


class Tab(StrEnum):
    """The tabs above the list. Their values stand in addresses."""

    ALL = "all"
    DRAFT = "draft"
    OPEN = "open"
    PAST_DUE = "past-due"
    PAID = "paid"
    VOID = "void"

    @property
    def label(self) -> str:
        """The word on the tab."""
        return self.value.replace("-", " ").capitalize()


_CONDITIONS: Mapping[Tab, str] = {
    Tab.ALL: "true",
    Tab.DRAFT: "i.status = 'draft'",
    Tab.OPEN: """(i.status = 'processing' OR i.status IN ('open', 'partly_paid')
                  AND (i.due_date IS NULL OR i.due_date >= $1))""",
    Tab.PAST_DUE: "i.status IN ('open', 'partly_paid') AND i.due_date < $1",
    Tab.PAID: "i.status = 'paid'",
    Tab.VOID: "i.status = 'void'",
}
"""`$1` is today, where the organisation is."""


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """What the list shows. A search under two characters is none."""

    today: date
    tab: Tab = Tab.ALL
    search: str = ""
    mode: Mode | None = None
    """None: of both modes."""

    @property
    def condition(self) -> str:
        """The tab and the mode in SQL: constants of this module."""
        return _condition(self.tab, self.mode)

    @property
    def searches(self) -> bool:
        """Whether the search counts."""
        return len(self.search) >= SHORTEST_SEARCH


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """A line of the list. `status` is the shown one: an open invoice after its due date is `past_due`."""

    id: int
    number: str | None
    customer_id: int
    customer_name: str
    status: str
    total: Money
    due_date: date | None
    mode: str
    sync_state: str
    sync_error: str
    created_at: datetime


async def list_invoices(wanted: InvoiceFilter, cursor: Cursor, *, size: int = PAGE_SIZE) -> Slice[InvoiceRow]:
    """Newest first. The search finds the start of a number, or of a customer's name or e-mail address."""
    async with connection() as held:
        read = await _read(held, wanted, cursor, size)
        if is_first_page_again(read, cursor, size):
            cursor = START
            read = await _read(held, wanted, cursor, size)
    return cut(read, cursor, size, id_of=lambda row: row.id)


async def count_invoices(today: date, mode: Mode | None = None) -> dict[Tab, int]:
    """How many invoices each tab holds; a count above 10,000 stands for "more than that"."""
    counts = ", ".join(
        f"(SELECT count(*) FROM (SELECT FROM invoice i WHERE {_condition(tab, mode)} "  # noqa: S608 - constants
        f'AND $1::date IS NOT NULL LIMIT {COUNT_CEILING + 1}) t) AS "{tab.value}"'
        for tab in Tab
    )
    async with connection() as held:
        row = await held.fetchrow(f"SELECT {counts}", today)
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row; this tells the type checker
    return {tab: row[tab.value] for tab in Tab}


def _condition(tab: Tab, mode: Mode | None) -> str:
    return f"{_CONDITIONS[tab]} AND i.mode = '{mode.value}'" if mode else _CONDITIONS[tab]


async def _read(held: Connection, wanted: InvoiceFilter, cursor: Cursor, size: int) -> list[InvoiceRow]:
    page = f"i.id {cursor.condition} $2 ORDER BY i.id {cursor.order} LIMIT $3"
    chosen = f"SELECT i.id FROM invoice i WHERE {wanted.condition} AND $1::date IS NOT NULL AND {page}"  # noqa: S608 - words of ours
    arguments: list[Any] = [wanted.today, cursor.id, size + 1]
    if wanted.searches:
        chosen = _searched(wanted.condition, page)
        arguments.append(prefix_pattern(wanted.search))
    rows = await held.fetch(_ROWS.format(chosen=chosen, order=cursor.order), *arguments)
    return [_row(row) for row in rows]


def _searched(condition: str, page: str) -> str:
    # Two branches, each cut to a page, so that "INV" does not collect a million ids before the cut.
    return f"""
        SELECT id FROM (
            (SELECT i.id FROM invoice i WHERE lower(i.number) LIKE $4 AND {condition} AND {page})
            UNION
            (SELECT i.id FROM customer c JOIN invoice i ON i.customer = c.id
             WHERE (lower(c.name) LIKE $4 OR lower(c.email) LIKE $4) AND {condition} AND {page})
        ) i WHERE $1::date IS NOT NULL AND {page}
    """  # noqa: S608 - words of ours


def _row(row: Any) -> InvoiceRow:
    return InvoiceRow(
        id=row["id"],
        number=row["number"],
        customer_id=row["customer_id"],
        customer_name=row["customer_name"],
        status=row["shown_status"],
        total=Money(row["total_minor"], row["currency"]),
        due_date=row["due_date"],
        mode=row["mode"],
        sync_state=row["sync_state"],
        sync_error=row["sync_error"],
        created_at=row["created_at"],
    )


_ROWS = """
SELECT i.id, i.number, i.customer AS customer_id, c.name AS customer_name, i.currency, i.total_minor,
       i.due_date, i.mode, i.sync_state, i.sync_error, i.created_at,
       shown_invoice_status(i.status, i.due_date, $1) AS shown_status
FROM invoice i JOIN customer c ON c.id = i.customer
WHERE i.id IN ({chosen}) ORDER BY i.id {order}
"""
