"""What an invoice says. Pure."""

from __future__ import annotations

from portal.documents.parts import Contents, frame, line_table, long_date, qr_code, sum_row
from portal.documents.sheets import Sheet
from portal.invoices.rules import InvoiceStatus


def invoice_contents(sheet: Sheet) -> Contents:
    """The contents of `layouts/invoice.typ`."""
    invoice = sheet.invoice
    return {
        **frame(sheet, "Invoice"),
        **line_table(sheet),
        "facts": _facts(sheet),
        "lead": _lead(sheet),
        "memo": invoice.memo,
        "sums": _sums(sheet),
        "bank": sheet.bank_details if _asks_for_money(sheet) else "",
        "pay": {"address": sheet.link, "qr": qr_code(sheet.link)} if sheet.link else None,
        "footer": invoice.footer,
    }


def _asks_for_money(sheet: Sheet) -> bool:
    return sheet.invoice.owed and sheet.invoice.amount_due.amount_minor > 0


def _facts(sheet: Sheet) -> list[tuple[str, str]]:
    invoice = sheet.invoice
    issued = ("Issued", long_date(sheet.day(invoice.finalised_at))) if invoice.finalised_at else None
    due = ("Due", long_date(invoice.due_date)) if invoice.due_date else None
    return [("Number", invoice.name), *(fact for fact in (issued, due) if fact)]


def _lead(sheet: Sheet) -> str:
    """The one sentence to read: how much, and until when."""
    invoice = sheet.invoice
    if invoice.status is InvoiceStatus.DRAFT:
        return invoice.total.format()
    if not _asks_for_money(sheet):
        return ""
    due = f" due {long_date(invoice.due_date)}" if invoice.due_date else " due"
    return f"{invoice.amount_due.format()}{due}"


def _sums(sheet: Sheet) -> list[Contents]:
    invoice = sheet.invoice
    rows = [sum_row("Subtotal", invoice.subtotal)]
    if invoice.discount.amount_minor:
        rows.append(sum_row(invoice.discount_title, -invoice.discount))
    several = len(invoice.taxes) > 1 or bool(invoice.discount.amount_minor)
    for tax in invoice.taxes:
        base = f" on {tax.net.format()}" if several and tax.rate else ""
        rows.append(sum_row(f"{tax.title}{base}", tax.tax))
    over = invoice.status in (InvoiceStatus.DRAFT, InvoiceStatus.VOID)
    settled = [] if over else settlement(sheet)
    return [*rows, sum_row("Total", invoice.total, strong=not settled), *settled]


def settlement(sheet: Sheet) -> list[Contents]:
    """From the total to what is left of it. What was returned is not owed again, so it is only told."""
    moves, rows = sheet.moves, []
    if moves.received.amount_minor:
        rows.append(sum_row("Paid", -moves.received))
    if moves.returned:
        rows.append(sum_row("of which returned", -moves.sum_of(moves.returned)))
    if moves.credited:
        rows.append(sum_row("Credited", -moves.sum_of(moves.credited)))
    return [*rows, sum_row("Amount due", sheet.invoice.amount_due, strong=True)]
