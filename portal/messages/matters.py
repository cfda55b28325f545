"""What messages about an invoice are made from, and which of them still make sense."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from portal.database.transaction import connection
from portal.finance.services import Organisation, organisation
from portal.invoices.correspondence import sendable, still_owed
from portal.invoices.details import InvoiceDetail, find_invoice
from portal.invoices.rules import InvoiceStatus
from portal.invoices.services import pay_link
from portal.mail.servers import may_write_by_itself
from portal.messages.texts import Facts, Kind
from portal.settings import Settings
from portal.subscriptions.details import FIRST_PAYMENT

AUTOMATIC_IN_VAIN = "The invoice is paid, closed, in dispute, or is being paid."


@dataclass(frozen=True, slots=True)
class Matter:
    """An invoice with its company and its customer, as one who writes about it needs them."""

    invoice: InvoiceDetail
    company: Organisation
    today: date
    erased: bool
    paused: bool
    """Somebody switched the reminders of this invoice off."""
    reminders_on: bool
    note: str
    pay_until: datetime | None
    """When the subscription ends unpaid whose first invoice it is; None: it is no such invoice."""


async def read_matter(invoice_id: int) -> Matter:
    """Read it all.

    Raises:
        NotFound: there is no such invoice.
    """
    company = await organisation()
    today = company.today
    invoice = await find_invoice(invoice_id, today=today)
    async with connection() as held:
        row = await held.fetchrow(_REST, invoice_id, FIRST_PAYMENT)
    assert row is not None  # noqa: S101 - the invoice and the organisation were found; tells the type checker
    return Matter(invoice, company, today, **dict(row))


async def facts_of(matter: Matter, *, words: str = "") -> Facts:
    """What the words are made of, with the link that works now."""
    invoice = matter.invoice
    return Facts(
        company=matter.company.name,
        contact=matter.company.contact_email,
        customer=invoice.customer_name,
        number=invoice.name,
        total=invoice.total,
        due=invoice.amount_due,
        paid=invoice.received,
        due_date=invoice.due_date,
        today=matter.today,
        link=await link_of(invoice),
        test=invoice.mode == "test",
        note=matter.note,
        words=words,
        pay_until=matter.pay_until,
        time_zone=matter.company.time_zone,
    )


async def link_of(invoice: InvoiceDetail) -> str:
    """Where it can be paid now: our page, else the provider's for what was made there. Empty: nowhere."""
    if invoice.made_in:
        return await pay_link(invoice.id) or invoice.hosted_url
    return (await pay_link(invoice.id) or "") if invoice.account_id else ""


def kinds_by_hand(matter: Matter) -> tuple[Kind, ...]:
    """What a person may send about it now, the most likely first."""
    return tuple(Kind(kind) for kind in sendable(matter.invoice, erased=matter.erased))


def why_not_by_itself(kind: Kind, matter: Matter, settings: Settings) -> str:
    """Why the portal does not send this by itself any more; empty: it does."""
    invoice = matter.invoice
    if matter.erased:
        return "The customer's data was erased."
    if not still_owed(invoice) or any(dispute.stage for dispute in invoice.disputes):
        return AUTOMATIC_IN_VAIN
    if kind is Kind.NEW_LINK:
        return ""
    if not may_write_by_itself(invoice.mode, settings):
        return "It is about a test invoice, of which nobody is told unless a person wants it."
    if kind is Kind.REMINDER:
        return _why_no_reminder(matter)
    return ""


def _why_no_reminder(matter: Matter) -> str:
    if not matter.reminders_on:
        return "Reminders were switched off."
    if matter.paused:
        return "Reminders of this invoice are paused."
    return "Given up as uncollectible." if matter.invoice.status is InvoiceStatus.UNCOLLECTIBLE else ""


_REST = """
SELECT c.erased_at IS NOT NULL AS erased, i.reminders_paused AS paused,
       o.reminders_on, o.reminder_note AS note,
       (SELECT s.started_at + $2 FROM subscription s
        WHERE s.account = i.account AND s.external_id = i.subscription_external_id
              AND s.status = 'incomplete' AND s.started_at + $2 > now()) AS pay_until
FROM invoice i JOIN customer c ON c.id = i.customer, organisation o WHERE i.id = $1
"""
