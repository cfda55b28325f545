"""One invoice as its page shows it: the row, its lines, the ledger and the attempts, read in one snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from portal.database.transaction import connection
from portal.errors import NotFound
from portal.invoices.rules import InvoiceStatus
from portal.money import Money


@dataclass(frozen=True, slots=True)
class DetailLine:
    """A line of the invoice; `amount` is without tax."""

    description: str
    quantity: int
    unit: Money
    tax_rate: Decimal
    amount: Money

    @property
    def tax_text(self) -> str:
        """The rate as a person writes it: `19`, `8.1`."""
        return shown_rate(self.tax_rate)


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Money that moved. Refunds are negative."""

    kind: str
    external_id: str
    amount: Money
    method: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """A try to pay. `code` and `reason` are for admins."""

    external_id: str
    state: str
    amount: Money
    method: str | None
    code: str
    reason: str
    expected_at: datetime | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class InvoiceDetail:
    """Everything on an invoice's page, but for its timeline and its pay link."""

    id: int
    number: str | None
    status: InvoiceStatus
    shown_status: str
    mode: str
    currency: str
    subtotal: Money
    tax: Money
    total: Money
    amount_paid: Money
    due_date: date | None
    memo: str
    footer: str
    version: int
    created_at: datetime
    finalised_at: datetime | None
    paid_at: datetime | None
    customer_id: int
    customer_name: str
    customer_email: str
    account_id: int | None
    account_title: str
    plugin: str
    external_id: str | None
    external_number: str
    sync_state: str
    sync_error: str
    synced_at: datetime | None
    pay_link_expires_at: datetime | None
    pay_link_opened_at: datetime | None
    lines: tuple[DetailLine, ...] = field(default=())
    payments: tuple[LedgerRow, ...] = field(default=())
    attempts: tuple[AttemptRow, ...] = field(default=())

    @property
    def amount_due(self) -> Money:
        """What is left to pay, never below nothing."""
        left = self.total.amount_minor - self.amount_paid.amount_minor
        return Money(max(left, 0), self.currency)

    @property
    def owed(self) -> bool:
        """Whether the amount due means something: not before the invoice is final, nor once it is void."""
        return self.status not in (InvoiceStatus.DRAFT, InvoiceStatus.VOID)

    @property
    def name(self) -> str:
        """What people call it: its number, or `Draft 17`."""
        return self.number or f"Draft {self.id}"

    @property
    def processing(self) -> AttemptRow | None:
        """The payment that is under way, if there is one."""
        return next((attempt for attempt in self.attempts if attempt.state == "processing"), None)


async def find_invoice(invoice_id: int, *, today: date) -> InvoiceDetail:
    """The invoice with its lines, payments and attempts.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held, held.transaction(isolation="repeatable_read", readonly=True):
        row = await held.fetchrow(_INVOICE, invoice_id, today)
        if row is None:
            raise NotFound("There is no such invoice.")
        lines = await held.fetch(_LINES, invoice_id)
        payments = await held.fetch(_PAYMENTS, invoice_id)
        attempts = await held.fetch(_ATTEMPTS, invoice_id)
    values = _with_money(dict(row))
    currency = row["currency"]
    return InvoiceDetail(
        **{**values, "status": InvoiceStatus(row["status"])},
        lines=tuple(_line(line, currency) for line in lines),
        payments=tuple(LedgerRow(**_with_money(dict(payment))) for payment in payments),
        attempts=tuple(AttemptRow(**_with_money(dict(attempt))) for attempt in attempts),
    )


def shown_rate(rate: Decimal) -> str:
    """A percentage without zeros that say nothing: `19`, `8.1`, `0`."""
    text = f"{rate:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _with_money(values: dict[str, Any]) -> dict[str, Any]:
    """The columns that end in `_minor` become Money; the currency stays only where the target has it."""
    currency = values["currency"] if "number" in values else values.pop("currency")
    amounts = {name.removesuffix("_minor"): name for name in values if name.endswith("_minor")}
    return {
        **{name: value for name, value in values.items() if not name.endswith("_minor")},
        **{name: Money(values[column], currency) for name, column in amounts.items()},
    }


def _line(row: Any, currency: str) -> DetailLine:
    return DetailLine(
        description=row["description"],
        quantity=row["quantity"],
        unit=Money(row["unit_minor"], currency),
        tax_rate=row["tax_rate"],
        amount=Money(row["amount_minor"], currency),
    )


_INVOICE = """
SELECT i.id, i.number, i.status, shown_invoice_status(i.status, i.due_date, $2) AS shown_status, i.mode,
       i.currency, i.subtotal_minor, i.tax_minor, i.total_minor, i.amount_paid_minor, i.due_date, i.memo,
       i.footer, i.version, i.created_at, i.finalised_at, i.paid_at, i.customer AS customer_id,
       c.name AS customer_name, c.email AS customer_email, i.account AS account_id,
       coalesce(a.title, '') AS account_title,
       coalesce(a.plugin, '') AS plugin, i.external_id, i.external_number, i.sync_state, i.sync_error,
       i.synced_at, i.pay_link_expires_at, i.pay_link_opened_at
FROM invoice i JOIN customer c ON c.id = i.customer LEFT JOIN connected_account a ON a.id = i.account
WHERE i.id = $1
"""
_LINES = """
SELECT description, quantity, unit_minor, tax_rate, amount_minor FROM invoice_line WHERE invoice = $1
ORDER BY position
"""
_PAYMENTS = """
SELECT kind, external_id, amount_minor, currency, method, occurred_at FROM payment WHERE invoice = $1
ORDER BY occurred_at DESC, id DESC
"""
_ATTEMPTS = """
SELECT external_id, state, amount_minor, currency, method, code, reason, expected_at, occurred_at
FROM payment_attempt WHERE invoice = $1 ORDER BY occurred_at DESC, id DESC
"""
