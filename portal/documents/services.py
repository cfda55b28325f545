"""Invoices and receipts as files."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from portal.documents.invoice_contents import invoice_contents
from portal.documents.receipt_contents import receipt_contents
from portal.documents.sheets import Sheet, read_sheet
from portal.documents.typesetting import typeset
from portal.errors import NotFound

UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Document:
    """A PDF with the name to save it under: letters, digits, `-`, `_`, and `.pdf`."""

    name: str
    body: bytes


async def invoice_pdf(invoice_id: int) -> Document:
    """The invoice as it stands, with its stamp when it is paid or void.

    Raises:
        NotFound: there is none.
        DocumentsBusy: it would take too long.
    """
    sheet = await read_sheet(invoice_id)
    made_at = sheet.invoice.finalised_at or sheet.invoice.created_at
    # Drawing the code of the pay link takes as long as a page.
    contents = await asyncio.to_thread(invoice_contents, sheet)
    body = await typeset("invoice", contents, at=made_at)
    return Document(_file_name("Invoice", sheet), body)


async def receipt_pdf(invoice_id: int) -> Document:
    """The payments of the invoice so far.

    Raises:
        NotFound: there is no such invoice, or no money has arrived.
        DocumentsBusy: it would take too long.
    """
    sheet = await read_sheet(invoice_id)
    moves = sheet.moves
    if moves.received.amount_minor <= 0:
        raise NotFound("No money has arrived for this invoice.", hint="Its receipt is there once it is paid.")
    body = await typeset("receipt", receipt_contents(sheet), at=moves.payments[-1].occurred_at)
    return Document(_file_name("Receipt", sheet), body)


def _file_name(what: str, sheet: Sheet) -> str:
    number = UNSAFE.sub("-", sheet.invoice.name).strip("-") or str(sheet.invoice.id)
    return f"{what}-{number}.pdf"
