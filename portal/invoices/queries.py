"""The list of invoices as its page shows it: rows, pages, and how many each tab holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from portal.contract.facts import Mode
from portal.contract.loading import provider_title
from portal.database.transaction import Connection, connection
from portal.invoices.filters import Column, InvoiceFilter, Tab
from portal.invoices.rules import UNCOLLECTED, amount_due
from portal.invoices.selections import SORTINGS, counting, read_ids
from portal.money import Money
from portal.web.keysets import PAGE_SIZE, START, Cursor, Key, Slice, cut, is_first_page_again, read_cursor

COUNT_CEILING = 10_000


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """A line of the list. `status` is the shown one: an open invoice after its due date is `past_due`."""

    id: int
    number: str | None
    customer_id: int
    customer_name: str
    status: str
    total: Money
    owed: Money
    """What is left to pay; nothing when it is not asked for any more."""
    due_date: date | None
    mode: str
    made_in: str
    """The provider where it was made; empty: here."""
    sync_state: str
    """As stored, or `conflict` while somebody has to choose between two values."""
    sync_error: str
    created_at: datetime


async def list_invoices(wanted: InvoiceFilter, cursor: Cursor, *, size: int = PAGE_SIZE) -> Slice[InvoiceRow]:
    """A page in the filter's order.

    The search finds the start of a number, or of a customer's name or email address.
    """
    async with connection() as held:
        read = await _read(held, wanted, cursor, size)
        if is_first_page_again(read, cursor, size):
            cursor = START
            read = await _read(held, wanted, cursor, size)
    return cut(read, cursor, size, id_of=lambda row: row.id, key_of=lambda row: _key(wanted, row))


def list_cursor(wanted: InvoiceFilter, text: str | None) -> Cursor:
    """The cursor of an address of this list; anything else is its start."""
    return read_cursor(text, SORTINGS[wanted.order.column].key_type)


async def count_invoices(today: date, mode: Mode | None = None) -> dict[Tab, int]:
    """How many invoices each tab holds; a count above 10,000 stands for "more than that"."""
    async with connection() as held:
        found = await _count(held, [tab for tab in Tab if tab is not Tab.ALL], today, mode)
        if sum(found.values()) > COUNT_CEILING:
            return {Tab.ALL: COUNT_CEILING + 1, **found}
        return {**await _count(held, [Tab.ALL], today, mode), **found}


async def _count(held: Connection, tabs: list[Tab], today: date, mode: Mode | None) -> dict[Tab, int]:
    statement, values = counting(tabs, today, mode, COUNT_CEILING + 1)
    row = await held.fetchrow(statement, *values)
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row; this tells the type checker
    return {tab: row[tab.value] for tab in tabs}


async def known_currencies() -> list[str]:
    """The currencies that there are invoices in; from key to key, not from row to row."""
    async with connection() as held:
        rows = await held.fetch(_CURRENCIES)
    return [row["currency"] for row in rows]


async def _read(held: Connection, wanted: InvoiceFilter, cursor: Cursor, size: int) -> list[InvoiceRow]:
    ids = await read_ids(held, wanted, cursor, size + 1)
    found = {row["id"]: _row(row) for row in await held.fetch(_ROWS, wanted.today, ids)} if ids else {}
    return [found[id_] for id_ in ids if id_ in found]


def _key(wanted: InvoiceFilter, row: InvoiceRow) -> Key:
    column = wanted.order.column
    if column is Column.CREATED:
        return ((row.created_at - _EPOCH) // timedelta(microseconds=1),)
    if column is Column.AMOUNT:
        return (row.total.currency, row.total.amount_minor)
    return (row.number,) if column is Column.NUMBER else (row.due_date,)


def _row(row: Any) -> InvoiceRow:
    return InvoiceRow(
        id=row["id"],
        number=row["number"],
        customer_id=row["customer_id"],
        customer_name=row["customer_name"],
        status=row["shown_status"],
        total=Money(row["total_minor"], row["currency"]),
        owed=Money(_owed_minor(row), row["currency"]),
        due_date=row["due_date"],
        mode=row["mode"],
        made_in=provider_title(row["plugin"] or "") if row["origin"] == "provider" else "",
        sync_state=row["sync_state"],
        sync_error=row["sync_error"],
        created_at=row["created_at"],
    )


def _owed_minor(row: Any) -> int:
    if row["status"] not in _OWING:
        return 0
    return amount_due(row["total_minor"], row["amount_paid_minor"], row["amount_returned_minor"])


_CURRENCIES = """
WITH RECURSIVE step AS (
    (SELECT mode, status, currency FROM invoice ORDER BY mode, status, currency LIMIT 1)
    UNION ALL
    SELECT next.* FROM step CROSS JOIN LATERAL (
        SELECT i.mode, i.status, i.currency FROM invoice i
        WHERE (i.mode, i.status, i.currency) > (step.mode, step.status, step.currency)
        ORDER BY i.mode, i.status, i.currency LIMIT 1
    ) next
)
SELECT DISTINCT currency FROM step ORDER BY currency
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OWING = frozenset({"open", "partly_paid", "processing"})
_ROWS = f"""
SELECT i.id, i.number, i.customer AS customer_id, c.name AS customer_name, i.currency, i.total_minor,
       i.status, i.amount_paid_minor, i.amount_returned_minor,
       i.due_date, i.mode, i.origin, a.plugin, i.sync_error, i.created_at,
       CASE WHEN EXISTS (
           SELECT FROM sync_difference d WHERE d.subject_kind = 'invoice' AND d.subject_id = i.id
                                              AND d.state = 'open' AND d.kind = 'conflict')
       THEN 'conflict' ELSE i.sync_state END AS sync_state,
       shown_invoice_status(i.status, i.due_date, {UNCOLLECTED}, $1) AS shown_status
FROM invoice i JOIN customer c ON c.id = i.customer LEFT JOIN connected_account a ON a.id = i.account
WHERE i.id = ANY($2::bigint[])
"""  # noqa: S608 - a fragment of ours
