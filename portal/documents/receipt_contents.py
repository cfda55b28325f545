"""What a receipt says: the money that arrived, and what of it went back. Pure."""

from __future__ import annotations

from portal.documents.invoice_contents import settlement
from portal.documents.moves import Moves, words_for
from portal.documents.parts import Contents, column, frame, line_table, long_date, sum_row
from portal.documents.sheets import Sheet
from portal.invoices.details import LedgerRow


def receipt_contents(sheet: Sheet) -> Contents:
    """The contents of `layouts/receipt.typ`. There is at least one payment."""
    moves = sheet.moves
    return {
        **frame(sheet, "Receipt"),
        **line_table(sheet),
        "facts": _facts(sheet, moves),
        "lead": _lead(sheet, moves),
        "moved": {"columns": _columns(), "rows": [_row(sheet, row) for row in moves.money]},
        "sums": [sum_row("Invoice total", sheet.invoice.total), *settlement(sheet)],
    }


def _lead(sheet: Sheet, moves: Moves) -> str:
    days = {sheet.day(row.occurred_at) for row in moves.payments if row.amount.amount_minor > 0}
    when = f" on {long_date(days.pop())}" if len(days) == 1 else ""
    return f"{moves.received.format()} received{when}"


def _facts(sheet: Sheet, moves: Moves) -> list[tuple[str, str]]:
    issued = sheet.invoice.finalised_at
    return [
        ("Invoice", sheet.invoice.name),
        *([("Issued", long_date(sheet.day(issued)))] if issued else []),
        ("Last payment", long_date(sheet.day(moves.payments[-1].occurred_at))),
    ]


def _columns() -> list[Contents]:
    plain = [column(title) for title in ("Date", "What", "Method")]
    return [*plain, column("Reference", wide=True), column("Amount", end=True)]


def _row(sheet: Sheet, row: LedgerRow) -> list[str]:
    # What was recorded by hand has a key of ours there, which says nothing to the customer.
    reference = "" if row.kind == "offline" else row.external_id
    return [
        long_date(sheet.day(row.occurred_at)),
        words_for(row),
        row.method or "",
        reference,
        row.amount.format(),
    ]
