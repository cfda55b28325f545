"""One invoice as its page shows it: the row, its lines, the ledger and the attempts, read in one snapshot."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from portal.contract.loading import provider_title
from portal.database.transaction import connection
from portal.errors import NotFound
from portal.invoices.detail_rows import AttemptRow, DisputeRow, RefundRow
from portal.invoices.rules import UNCOLLECTED, InvoiceStatus, amount_due, overpaid
from portal.invoices.sums import DraftLine, TaxLine, discount_title, shown_rate, stored_taxes
from portal.money import Money, total
from portal.payments.rules import UNNAMED

RECORDED = re.compile(r"(.*):[0-9a-f]{12}")
"""How the ledger names what people recorded: their reference, and an ending that makes it the only one."""


WHAT = {
    ("payment", True): "Payment",
    ("payment", False): "Payment came back",
    ("offline", True): "Paid outside",
    ("refund", False): "Refund",
    ("refund", True): "Refund came back",
    ("dispute", False): "Dispute",
    ("dispute", True): "Dispute came back",
    ("credit", True): "Credit note",
    ("credit", False): "Credit note voided",
}
"""What a ledger's row stands for, by its kind and whether it adds to what was paid."""


@dataclass(frozen=True, slots=True)
class DetailLine:
    """A line of the invoice; `amount` is without tax."""

    description: str
    quantity: int
    unit: Money
    tax_rate: Decimal
    amount: Money
    tax_name: str = ""
    """What the rate is called; empty: `Tax`."""

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

    @property
    def is_credit_note(self) -> bool:
        """Whether it only took something off the debt: no money moved."""
        return self.kind == "credit"

    @property
    def what(self) -> str:
        """What it stands for, in words."""
        return WHAT.get((self.kind, self.amount.amount_minor > 0), self.kind.capitalize())

    @property
    def reference(self) -> str:
        """What people call it by: the provider's id, or what was typed here without its ending of ours."""
        typed = RECORDED.fullmatch(self.external_id) if self.kind == "offline" else None
        return ("" if typed[1] == UNNAMED else typed[1]) if typed else self.external_id

    @property
    def is_payment(self) -> bool:
        """Whether money arrived by it."""
        return self.kind in ("payment", "offline")


@dataclass(frozen=True, slots=True)
class InvoiceDetail:
    """Everything on an invoice's page, but for its timeline and its pay link."""

    id: int
    number: str | None
    status: InvoiceStatus
    shown_status: str
    mode: str
    origin: str
    """`portal`, or `provider` when it was made there."""
    hosted_url: str
    subscription_external_id: str | None
    attempts_to_collect: int
    next_attempt_at: datetime | None
    collection_failure: str
    currency: str
    subtotal: Money
    discount: Money
    """What is taken off the subtotal before tax."""
    discount_percent: Decimal | None
    """Set when the discount was given in percent."""
    tax: Money
    total: Money
    amount_paid: Money
    amount_returned: Money
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
    subscription_id: int | None = None
    """Of the one that it belongs to, once that is known."""
    lines: tuple[DetailLine, ...] = field(default=())
    taxes: tuple[TaxLine, ...] = field(default=())
    """The tax by rate; one nameless line where it was made by the provider."""
    payments: tuple[LedgerRow, ...] = field(default=())
    attempts: tuple[AttemptRow, ...] = field(default=())
    refunds: tuple[RefundRow, ...] = field(default=())
    disputes: tuple[DisputeRow, ...] = field(default=())

    @property
    def amount_due(self) -> Money:
        """What is left to pay, never below nothing."""
        amounts = (self.total, self.amount_paid, self.amount_returned)
        return Money(amount_due(*(amount.amount_minor for amount in amounts)), self.currency)

    @property
    def discount_title(self) -> str:
        """What the sums call the discount: with its percentage where it was given in percent."""
        return discount_title(self.discount_percent)

    @property
    def credited(self) -> Money:
        """What credits took off the debt. It is a part of `amount_paid`, though no money came by it."""
        return total([row.amount for row in self.payments if row.is_credit_note], self.currency)

    @property
    def received(self) -> Money:
        """The money that came and did not go back."""
        return Money(max((self.amount_paid - self.credited).amount_minor, 0), self.currency)

    @property
    def overpaid(self) -> Money:
        """What came on top of the total and did not go back: it belongs to the customer."""
        return Money(overpaid(self.total.amount_minor, self.amount_paid.amount_minor), self.currency)

    def is_unknown(self, dispute: DisputeRow) -> bool:
        """Whether a bank took money in another currency, and nobody says how much that is in this one."""
        return dispute.withdrawn and not self._moved("dispute", dispute) and not self.is_bounced(dispute)

    def is_bounced(self, dispute: DisputeRow) -> bool:
        """Whether the bank did not pay after all, so that it is owed again."""
        return dispute.withdrawn and self._moved("payment", dispute)

    def _moved(self, kind: str, dispute: DisputeRow) -> bool:
        names = (row.external_id.partition(":")[0] for row in self.payments if row.kind == kind)
        return dispute.external_id in names

    @property
    def owed(self) -> bool:
        """Whether the amount due means something: not before the invoice is final, nor once it is over."""
        return self.status not in (InvoiceStatus.DRAFT, InvoiceStatus.VOID, InvoiceStatus.REFUNDED)

    @property
    def name(self) -> str:
        """What people call it: its number, or `Draft 17`."""
        return self.number or f"Draft {self.id}"

    @property
    def provider(self) -> str:
        """What people call the provider; empty: none is connected."""
        return provider_title(self.plugin)

    @property
    def made_in(self) -> str:
        """The provider where it was made; empty: here."""
        return self.provider if self.origin == "provider" else ""

    @property
    def paid_here(self) -> bool:
        """Whether it can have a pay link: ours, and what a subscription bills."""
        return self.origin == "portal" or self.subscription_external_id is not None

    @property
    def collection_failed(self) -> bool:
        """Whether the provider tried to collect what is still owed."""
        owed = self.status in (InvoiceStatus.OPEN, InvoiceStatus.PARTLY_PAID)
        return owed and self.attempts_to_collect > 0

    @property
    def last_failure(self) -> str:
        """Why the last attempt failed, for admins."""
        failed = (attempt.reason for attempt in self.attempts if attempt.state == "failed")
        return self.collection_failure or next(failed, "")

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
        refunds = await held.fetch(_REFUNDS, invoice_id)
        disputes = await held.fetch(_DISPUTES, invoice_id)
    values = _with_money(dict(row))
    currency = row["currency"]
    shown = tuple(_line(line, currency) for line in lines)
    return InvoiceDetail(
        **{**values, "status": InvoiceStatus(row["status"])},
        lines=shown,
        taxes=_taxes(shown, values),
        payments=tuple(LedgerRow(**_with_money(dict(payment))) for payment in payments),
        attempts=tuple(AttemptRow(**_with_money(dict(attempt))) for attempt in attempts),
        refunds=tuple(RefundRow(**_with_money(dict(refund))) for refund in refunds),
        disputes=tuple(DisputeRow(**_with_money(dict(dispute))) for dispute in disputes),
    )


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
        tax_name=row["tax_name"],
    )


def _taxes(lines: tuple[DetailLine, ...], values: dict[str, Any]) -> tuple[TaxLine, ...]:
    return stored_taxes(
        [
            DraftLine(line.description, line.quantity, line.unit, line.tax_rate, line.tax_name)
            for line in lines
        ],
        subtotal=values["subtotal"],
        discount=values["discount"],
        tax=values["tax"],
    )


_INVOICE = f"""
SELECT i.id, i.number, i.status,
       shown_invoice_status(i.status, i.due_date, {UNCOLLECTED}, $2) AS shown_status,
       i.mode, i.origin, i.hosted_url, i.subscription_external_id,
       (SELECT s.id FROM subscription s
        WHERE s.account = i.account AND s.external_id = i.subscription_external_id) AS subscription_id,
       i.attempts AS attempts_to_collect,
       i.next_attempt_at, i.collection_failure, i.currency, i.subtotal_minor, i.discount_minor,
       i.discount_percent, i.tax_minor, i.total_minor, i.amount_paid_minor, i.amount_returned_minor,
       i.due_date, i.memo, i.footer, i.version, i.created_at, i.finalised_at, i.paid_at,
       i.customer AS customer_id,
       c.name AS customer_name, c.email AS customer_email, i.account AS account_id,
       coalesce(a.title, '') AS account_title,
       coalesce(a.plugin, '') AS plugin, i.external_id, i.external_number, i.sync_state, i.sync_error,
       i.synced_at, i.pay_link_expires_at, i.pay_link_opened_at
FROM invoice i JOIN customer c ON c.id = i.customer LEFT JOIN connected_account a ON a.id = i.account
WHERE i.id = $1
"""  # noqa: S608 - a fragment of ours
_LINES = """
SELECT description, quantity, unit_minor, tax_rate, tax_name, amount_minor FROM invoice_line
WHERE invoice = $1 ORDER BY position
"""
_PAYMENTS = """
SELECT kind, external_id, amount_minor, currency, method, occurred_at FROM payment WHERE invoice = $1
ORDER BY occurred_at DESC, id DESC
"""
_ATTEMPTS = """
SELECT external_id, state, amount_minor, currency, method, code, reason, expected_at, occurred_at
FROM payment_attempt WHERE invoice = $1 ORDER BY occurred_at DESC, id DESC
"""
_REFUNDS = """
SELECT external_id, amount_minor, currency, status, reason, failure, requested_by, created_at FROM refund
WHERE invoice = $1 ORDER BY id DESC
"""
_DISPUTES = """
SELECT external_id, amount_minor, currency, status, reason, respond_by, withdrawn, opened_at FROM dispute
WHERE invoice = $1 ORDER BY id DESC
"""
