"""What was emailed about an invoice, and what may be now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.database.transaction import connection
from portal.invoices.details import InvoiceDetail
from portal.invoices.rules import PAYABLE, InvoiceStatus
from portal.mail.queries import MailRow, list_mail
from portal.mail.servers import may_write_by_itself
from portal.settings import current_settings

CLOSED = frozenset({InvoiceStatus.DRAFT, InvoiceStatus.VOID})


@dataclass(frozen=True, slots=True)
class Correspondence:
    """What the invoice's page shows of it. `sendable`: kinds of messages, the most likely first."""

    rows: tuple[MailRow, ...]
    sendable: tuple[str, ...]
    sent_at: datetime | None
    reminders_on: bool
    paused: bool


async def correspondence_of(invoice: InvoiceDetail) -> Correspondence:
    """The newest messages, and what else there is to know."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT i.sent_at, i.reminders_paused, o.reminders_on, c.erased_at IS NOT NULL AS erased
            FROM invoice i JOIN customer c ON c.id = i.customer, organisation o WHERE i.id = $1
            """,
            invoice.id,
        )
        rows = await list_mail(held, ("invoice", invoice.id))
    assert row is not None  # noqa: S101 - the invoice was found; tells the type checker
    return Correspondence(
        rows=tuple(rows),
        sendable=sendable(invoice, erased=row["erased"]),
        sent_at=row["sent_at"],
        reminders_on=row["reminders_on"] and _may_be_reminded(invoice),
        paused=row["reminders_paused"],
    )


def sendable(invoice: InvoiceDetail, *, erased: bool) -> tuple[str, ...]:
    """What a person may send about it now: `invoice`, `reminder`, `receipt`."""
    if invoice.status in CLOSED or erased:
        return ()
    reminder = ("reminder",) if still_owed(invoice) else ()
    receipt = ("receipt",) if invoice.received.amount_minor > 0 else ()
    return ("invoice", *reminder, *receipt) if still_owed(invoice) else (*receipt, "invoice")


def _may_be_reminded(invoice: InvoiceDetail) -> bool:
    """Whether reminders of it go out by themselves where they are switched on."""
    ours = invoice.origin == "portal" and invoice.due_date is not None and still_owed(invoice)
    return ours and may_write_by_itself(invoice.mode, current_settings())


def still_owed(invoice: InvoiceDetail) -> bool:
    """Whether somebody should pay, and nobody is about to."""
    return invoice.status in PAYABLE and invoice.amount_due.amount_minor > 0 and not invoice.processing
