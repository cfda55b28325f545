"""What an invoice's documents are made from: the invoice, both addresses, the pay link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from portal.database.transaction import connection
from portal.documents.moves import Moves, sort_out
from portal.finance.services import organisation
from portal.invoices.details import InvoiceDetail, find_invoice
from portal.invoices.rules import PAYABLE
from portal.invoices.services import pay_link


@dataclass(frozen=True, slots=True)
class Party:
    """Who sends or gets the invoice, as printed. `address` has lines."""

    name: str
    address: str
    tax_id: str
    email: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that a document says."""

    invoice: InvoiceDetail
    company: Party
    customer: Party
    bank_details: str
    logo: bytes | None
    """A PNG."""
    link: str | None
    """Where it can be paid now."""
    time_zone: str
    default_currency: str
    """The company's own: it decides the size of the paper."""

    @property
    def moves(self) -> Moves:
        """The ledger, sorted out."""
        return sort_out(self.invoice.payments, self.invoice.currency)

    def day(self, at: datetime) -> date:
        """The date of a moment where the company is."""
        return at.astimezone(ZoneInfo(self.time_zone)).date()


async def read_sheet(invoice_id: int) -> Sheet:
    """Read it all.

    Raises:
        NotFound: there is no such invoice.
    """
    company = await organisation()
    invoice = await find_invoice(invoice_id, today=company.today)
    async with connection() as held:
        row = await held.fetchrow(_REST, invoice_id)
    assert row is not None  # noqa: S101 - the invoice and the organisation were found; tells the type checker
    return Sheet(
        invoice=invoice,
        company=Party(company.name, company.address, row["own_tax_id"], company.contact_email),
        customer=Party(invoice.customer_name, row["address"], row["tax_id"], invoice.customer_email),
        bank_details=row["bank_details"],
        logo=row["logo"],
        link=await pay_link(invoice_id) if invoice.status in PAYABLE and invoice.account_id else None,
        time_zone=company.time_zone,
        default_currency=company.default_currency,
    )


_REST = """
SELECT o.tax_id AS own_tax_id, o.bank_details, o.logo, c.address, c.tax_id
FROM invoice i JOIN customer c ON c.id = i.customer, organisation o WHERE i.id = $1
"""
