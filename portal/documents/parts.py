"""What invoices and receipts have in common, as the layouts take it. Pure."""

from __future__ import annotations

import base64
import io
import struct
from dataclasses import replace
from datetime import date
from typing import Any

import segno
from babel.dates import format_date

from portal.documents.sheets import Party, Sheet
from portal.invoices.rules import InvoiceStatus
from portal.mail.rules import masked
from portal.money import Money

LETTER = frozenset({"usd", "cad"})
"""Companies that reckon in these print on US Letter, all others on A4."""
INK = "#0f172a"
WIDEST_LOGO = 4
"""Times its height, at which layouts set it: 6 cm. What is wider is set smaller, and stays on the paper."""
TEST = "Test mode: this document is a sample. No money is owed and none was moved."
STAMPS = {
    InvoiceStatus.PAID: ("PAID", "ok"),
    InvoiceStatus.VOID: ("VOID", "bad"),
    InvoiceStatus.REFUNDED: ("REFUNDED", "mute"),
    InvoiceStatus.PARTLY_PAID: ("PARTLY PAID", "warn"),
    InvoiceStatus.PROCESSING: ("PAYMENT UNDER WAY", "mute"),
}
Contents = dict[str, Any]


def frame(sheet: Sheet, title: str) -> Contents:
    """Paper, head and parties of a document called `title`."""
    invoice, company = sheet.invoice, sheet.company
    return {
        "paper": "us-letter" if sheet.default_currency in LETTER else "a4",
        "title": title,
        "name": invoice.name,
        "heading": f"{title} {invoice.name} from {company.name}",
        "author": company.name,
        "contact": company.email,
        "test": TEST if invoice.mode == "test" else "",
        "mark": {InvoiceStatus.DRAFT: "DRAFT", InvoiceStatus.VOID: "VOID"}.get(invoice.status, ""),
        "stamp": stamp(sheet),
        "logo": framed_logo(sheet.logo) if sheet.logo else "",
        "from": _party(company),
        # Whoever was given the pay link can open this: the address is for the customer to know it by.
        "to": _party(replace(sheet.customer, email=_masked(sheet.customer.email))),
    }


def stamp(sheet: Sheet) -> Contents | None:
    """The state in words, where it changes what the reader has to do."""
    invoice = sheet.invoice
    if invoice.status not in STAMPS:
        return None
    words, tone = STAMPS[invoice.status]
    paid_at = invoice.paid_at if invoice.status is InvoiceStatus.PAID else None
    return {"text": words, "tone": tone, "detail": long_date(sheet.day(paid_at)) if paid_at else ""}


def line_table(sheet: Sheet) -> Contents:
    """The lines and their columns. Without taxed lines there is no column for tax."""
    lines = sheet.invoice.lines
    taxed = any(line.tax_rate for line in lines)
    titles = ["Description", "Quantity", "Unit price", *(["Tax"] if taxed else []), "Amount"]
    rows = [
        [
            line.description,
            f"{line.quantity:,}",
            line.unit.format(),
            *([f"{line.tax_text}\u00a0%"] if taxed else []),
            line.amount.format(),
        ]
        for line in lines
    ]
    return {
        "columns": [column(title, wide=not at, end=at > 0) for at, title in enumerate(titles)],
        "rows": rows,
    }


def column(title: str, *, wide: bool = False, end: bool = False) -> Contents:
    """A column: `wide` takes what is left, `end` puts figures to the right."""
    return {"title": title, "wide": wide, "end": end}


def sum_row(name: str, amount: Money, *, strong: bool = False) -> Contents:
    """A row of the sums."""
    return {"name": name, "amount": amount.format(), "strong": strong}


def long_date(day: date) -> str:
    """`30 November 2026`."""
    return str(format_date(day, "d MMMM y", locale="en"))


def qr_code(address: str) -> str:
    """The address as a picture (SVG) that telephones read."""
    picture = io.BytesIO()
    segno.make_qr(address, error="m").save(
        picture, kind="svg", border=0, dark=INK, xmldecl=False, svgclass=None, lineclass=None
    )
    return picture.getvalue().decode()


def framed_logo(png: bytes) -> str:
    """The PNG inside an SVG, for layouts take texts alone; a very wide one has room above and below."""
    width, height = struct.unpack(">II", png[16:24])
    tall = max(height, -(-width // WIDEST_LOGO))
    data = base64.b64encode(png).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{tall}" '
        f'viewBox="0 0 {width} {tall}"><image y="{(tall - height) // 2}" width="{width}" height="{height}" '
        f'href="data:image/png;base64,{data}"/></svg>'
    )


def _masked(address: str) -> str:
    return masked(address) if address else ""


def _party(party: Party) -> Contents:
    tax = f"Tax ID {party.tax_id}" if party.tax_id else ""
    return {"name": party.name, "lines": [text for text in (party.address, tax, party.email) if text]}
