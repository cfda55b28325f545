"""What a plugin may know of an invoice, and the invoice behind a pay link."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from portal.contract.facts import Mode
from portal.contract.payables import PayableInvoice, PayableLine
from portal.database.transaction import connection
from portal.errors import NotFound
from portal.invoices.rules import amount_due
from portal.invoices.sums import DraftLine, TaxLine, stored_taxes
from portal.money import Money
from portal.security.tokens import Purpose, hash_token

_SELECT = """
SELECT i.id, i.number, i.status, i.mode, i.account, i.currency, i.subtotal_minor, i.discount_minor,
       i.discount_percent, i.tax_minor, i.total_minor, i.amount_paid_minor, i.amount_returned_minor,
       i.due_date, i.memo, i.external_id, i.hosted_url, i.finalised_at, i.paid_at, i.created_at,
       i.pay_link_expires_at, c.id AS customer_id, c.name AS customer_name, c.email AS customer_email,
       coalesce(o.instance_id::text, '') AS instance, coalesce(o.time_zone, 'UTC') AS time_zone
FROM invoice i JOIN customer c ON c.id = i.customer LEFT JOIN organisation o ON true
"""
_LINES = """
SELECT description, quantity, unit_minor, tax_rate, tax_name, amount_minor
FROM invoice_line WHERE invoice = $1 ORDER BY position
"""


@dataclass(frozen=True, slots=True)
class PayLink:
    """The invoice that a pay link opens, with what the public page may show."""

    invoice: PayableInvoice
    account_id: int | None
    mode: Mode
    amount_paid: Money
    amount_returned: Money
    """What was paid and went back: it is not owed again."""
    subtotal: Money
    discount_percent: Decimal | None
    taxes: tuple[TaxLine, ...]
    """The tax by rate."""
    hosted_url: str
    finalised_at: datetime | None
    paid_at: datetime | None
    expired: bool


async def payable_invoice(invoice_id: int) -> PayableInvoice:
    """The invoice as a provider needs it.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held:
        row = await held.fetchrow(_SELECT + " WHERE i.id = $1", invoice_id)
        if row is None:
            raise NotFound("There is no such invoice.")
        lines = await held.fetch(_LINES, invoice_id)
    return _payable(dict(row), _payable_lines(lines, row["currency"]))


async def invoice_by_pay_token(token: str) -> PayLink | None:
    """The invoice behind a pay link, or None for a wrong token. The link of a closed invoice still opens."""
    async with connection() as held:
        row = await held.fetchrow(
            _SELECT + " WHERE i.pay_token_hash = $1", hash_token(token, Purpose.PAY_LINK)
        )
        if row is None:
            return None
        lines = await held.fetch(_LINES, row["id"])
    expires, currency = row["pay_link_expires_at"], row["currency"]
    invoice = _payable(dict(row), _payable_lines(lines, currency))
    subtotal = Money(row["subtotal_minor"], currency)
    return PayLink(
        invoice=invoice,
        account_id=row["account"],
        mode=Mode(row["mode"]),
        amount_paid=Money(row["amount_paid_minor"], currency),
        amount_returned=Money(row["amount_returned_minor"], currency),
        subtotal=subtotal,
        discount_percent=row["discount_percent"],
        taxes=stored_taxes(
            _draft_lines(lines, currency), subtotal=subtotal, discount=invoice.discount, tax=invoice.tax
        ),
        hosted_url=row["hosted_url"],
        finalised_at=row["finalised_at"],
        paid_at=row["paid_at"],
        expired=bool(expires and expires <= datetime.now(UTC)),
    )


def _payable_lines(rows: Iterable[Any], currency: str) -> tuple[PayableLine, ...]:
    return tuple(
        PayableLine(
            row["description"],
            row["quantity"],
            Money(row["unit_minor"], currency),
            Money(row["amount_minor"], currency),
        )
        for row in rows
    )


def _draft_lines(rows: Iterable[Any], currency: str) -> list[DraftLine]:
    return [
        DraftLine(
            row["description"],
            row["quantity"],
            Money(row["unit_minor"], currency),
            row["tax_rate"],
            row["tax_name"],
        )
        for row in rows
    ]


def _payable(row: dict[str, Any], lines: tuple[PayableLine, ...]) -> PayableInvoice:
    currency = row["currency"]
    due = row["due_date"]
    return PayableInvoice(
        id=row["id"],
        key=f"{row['instance']}:{row['id']}",
        number=row["number"] or "",
        status=row["status"],
        external_id=row["external_id"],
        total=Money(row["total_minor"], currency),
        amount_due=Money(
            amount_due(row["total_minor"], row["amount_paid_minor"], row["amount_returned_minor"]), currency
        ),
        discount=Money(row["discount_minor"], currency),
        tax=Money(row["tax_minor"], currency),
        # The end of the day where the company is, so that nobody is late on the due date itself.
        due_at=datetime.combine(due, time(23, 59, 59), ZoneInfo(row["time_zone"])).astimezone(UTC)
        if due
        else None,
        memo=row["memo"],
        customer_id=row["customer_id"],
        customer_key=f"{row['instance']}:{row['customer_id']}",
        customer_name=row["customer_name"],
        customer_email=row["customer_email"] or None,
        created_at=row["created_at"],
        lines=lines,
    )
