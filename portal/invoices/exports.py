"""The list of invoices as CSV, line by line, however long it is."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable
from zoneinfo import ZoneInfo

from portal.invoices.filters import InvoiceFilter, SyncState
from portal.invoices.list_views import status_words
from portal.invoices.queries import InvoiceRow, list_cursor, list_invoices
from portal.web.keysets import START

MOST_EXPORTED = 100_000
ROWS_AT_ONCE = 1_000
HEADS = (
    "Number",
    "Customer",
    "Status",
    "Currency",
    "Amount",
    "Amount due",
    "Due date",
    "Created",
    "Sync",
    "Mode",
)
FORMULA = re.compile(r"^(?=[=+\-@＝＋－＠\t\r\n])|(?<=[;\t\r\n])(?=\s*[=+\-@＝＋－＠])")
"""Where a spreadsheet would calculate: at the start of a cell, and behind what some take as its end."""


async def csv_lines(
    wanted: InvoiceFilter, *, most: int = MOST_EXPORTED, at_once: int = ROWS_AT_ONCE
) -> AsyncIterator[str]:
    """Heads and rows, in the list's order, `most` rows at the utmost. No connection is held between pages."""
    yield "\ufeff" + _lines([HEADS])
    cursor, left = START, most
    while left > 0:
        found = await list_invoices(wanted, cursor, size=min(at_once, left))
        yield _lines(_cells(row, wanted.zone) for row in found.rows)
        left -= len(found.rows)
        cursor = list_cursor(wanted, found.older)
        if not found.older:
            return


def _cells(row: InvoiceRow, zone: str) -> tuple[str, ...]:
    return (
        _harmless(row.number or ""),
        _harmless(row.customer_name),
        status_words(row.status),
        row.total.currency.upper(),
        row.total.plain(),
        row.owed.plain(),
        row.due_date.isoformat() if row.due_date else "",
        row.created_at.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds"),
        _sync_words(row.sync_state),
        row.mode.capitalize(),
    )


def _sync_words(state: str) -> str:
    return SyncState(state).label if state in list(SyncState) else "Not sent"


def _harmless(text: str) -> str:
    return FORMULA.sub("'", text)


def _lines(rows: Iterable[Iterable[str]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
