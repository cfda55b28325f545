"""What the actions on an invoice depend on, apart from the invoice itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from portal.database.transaction import connection
from portal.invoices.actions import Situation
from portal.invoices.details import InvoiceDetail
from portal.invoices.rules import InvoiceStatus
from portal.money import Money
from portal.payments.refundable import Refundable, refundable_payments


@dataclass(frozen=True, slots=True)
class CreditRow:
    """A credit as it stands: `requested`, `issued`, `failed` or `void`. `failure` is for admins."""

    amount: Money
    status: str
    reason: str
    failure: str
    requested_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The connection, the payments that a provider holds (the newest first), and the credits."""

    connected: bool
    payments: tuple[Refundable, ...] = ()
    credits: tuple[CreditRow, ...] = ()

    @property
    def refundable(self) -> tuple[Refundable, ...]:
        """The payments of which something can go back."""
        return tuple(payment for payment in self.payments if payment.left.amount_minor > 0)

    def creditable(self, invoice: InvoiceDetail) -> Money:
        """What is owed apart from the credits that are asked for already."""
        asked = sum(row.amount.amount_minor for row in self.credits if row.status == "requested")
        return Money(max(invoice.amount_due.amount_minor - asked, 0), invoice.currency)


async def surroundings_of(invoice: InvoiceDetail) -> Surroundings:
    """Read them; a draft has none but its connection."""
    async with connection() as held:
        connected = await held.fetchval(
            "SELECT state <> 'disconnected' FROM connected_account WHERE id = $1", invoice.account_id
        )
        if invoice.status is InvoiceStatus.DRAFT:
            return Surroundings(bool(connected))
        payments = await refundable_payments(held, invoice.id)
        asked = await held.fetch(_CREDITS, invoice.id)
    return Surroundings(
        bool(connected),
        tuple(payments),
        tuple(
            CreditRow(
                Money(row["amount_minor"], row["currency"]),
                row["status"],
                row["reason"],
                row["failure"],
                row["requested_by"],
                row["created_at"],
            )
            for row in asked
        ),
    )


def situation_of(invoice: InvoiceDetail, around: Surroundings, zone: ZoneInfo) -> Situation:
    """What decides which actions are offered; days are those of `zone`."""
    attempt = invoice.processing
    return Situation(
        status=invoice.status,
        provider=invoice.provider,
        made_there=bool(invoice.made_in),
        paid_here=invoice.paid_here,
        connected=around.connected,
        copied=invoice.external_id is not None,
        refundable=bool(around.refundable),
        has_lines=bool(invoice.lines),
        collected=invoice.collection_failed,
        failed=invoice.sync_state == "failed",
        expected=attempt.expected_at.astimezone(zone).date() if attempt and attempt.expected_at else None,
    )


_CREDITS = """
SELECT amount_minor, currency, status, reason, failure, requested_by, created_at FROM credit
WHERE invoice = $1 ORDER BY id DESC
"""
