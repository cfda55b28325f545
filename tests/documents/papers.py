"""Sheets for tests, and what can be read from the PDF made of them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pypdf import PdfReader

from portal.documents.child import make_pdf
from portal.documents.sheets import Party, Sheet
from portal.invoices.details import DetailLine, InvoiceDetail, LedgerRow
from portal.invoices.rules import InvoiceStatus
from portal.invoices.sums import Discount, DraftLine, totals
from portal.money import Money

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LINK = "https://portal.example.com/pay/3q0vYtP8pXbVnM2uQ1kZ7sJrT5wLdC9eHfGaBiNoR4U"
DESIGN = DraftLine("Brand guidelines", 1, Money(48_000, "eur"), Decimal(19), "VAT")
BOOKS = DraftLine("Books", 3, Money(2_000, "eur"), Decimal(7), "VAT")


def make_sheet(
    *lines: DraftLine, discount: Discount | None = None, payments: tuple[LedgerRow, ...] = (), **changes: Any
) -> Sheet:
    """An open invoice over 480 EUR and 19 % tax, unless told otherwise. `changes` go to the invoice."""
    lines = lines or (DESIGN,)
    sums = totals(lines, lines[0].unit.currency, discount)
    invoice = InvoiceDetail(
        id=17,
        number="INV-0043",
        status=InvoiceStatus.OPEN,
        shown_status="open",
        mode="live",
        origin="portal",
        hosted_url="",
        subscription_external_id=None,
        attempts_to_collect=0,
        next_attempt_at=None,
        collection_failure="",
        currency=sums.total.currency,
        subtotal=sums.subtotal,
        discount=sums.discount,
        discount_percent=discount.percent if discount else None,
        tax=sums.tax,
        total=sums.total,
        amount_paid=Money(sum(row.amount.amount_minor for row in payments), sums.total.currency),
        amount_returned=Money(0, sums.total.currency),
        due_date=date(2026, 12, 10),
        memo="Purchase order 4711",
        footer="Thank you.",
        version=1,
        created_at=NOON - timedelta(days=1),
        finalised_at=NOON,
        paid_at=None,
        customer_id=1,
        customer_name="Globex Trading",
        customer_email="ap@globex.example",
        account_id=1,
        account_title="Northwind",
        plugin="stripe",
        external_id=None,
        external_number="",
        sync_state="none",
        sync_error="",
        synced_at=None,
        pay_link_expires_at=None,
        pay_link_opened_at=None,
        lines=tuple(
            DetailLine(line.description, line.quantity, line.unit, line.tax_rate, line.amount, line.tax_name)
            for line in lines
        ),
        taxes=sums.taxes,
        payments=payments,
    )
    return Sheet(
        invoice=replace(invoice, **changes),
        company=Party(
            "Northwind Studio", "Torstraße 12\n10119 Berlin", "DE 123 456 789", "hi@northwind.example"
        ),
        customer=Party("Globex Trading", "88 Harbour Row\nBristol", "GB 999 9999 73", "ap@globex.example"),
        bank_details="IBAN DE89 3704 0044 0532 0130 00",
        logo=None,
        link=LINK,
        time_zone="Europe/Berlin",
        default_currency="eur",
    )


def moved(kind: str, amount_minor: int, external_id: str = "", *, method: str | None = None) -> LedgerRow:
    """A row of the ledger in EUR; later calls are later rows if their ids are."""
    return LedgerRow(kind, external_id or f"{kind}_1", Money(amount_minor, "eur"), method, NOON)


def pdf_of(layout: str, contents: Mapping[str, Any]) -> PdfReader:
    """The PDF, opened."""
    return PdfReader(io.BytesIO(make_pdf(layout, int(NOON.timestamp()), json.dumps(contents))))


def words_of(pdf: PdfReader) -> list[str]:
    """What each page says, on one line, with plain spaces."""
    return [" ".join(page.extract_text().replace("\u200b", "").split()) for page in pdf.pages]


def links_of(pdf: PdfReader) -> set[str]:
    """The addresses that can be clicked."""
    found = set()
    for page in pdf.pages:
        for annotation in page.get("/Annots", []):
            found.add(str(annotation.get_object()["/A"]["/URI"]))
    return found
