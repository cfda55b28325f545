"""What an invoice amounts to, and what its status is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from portal.money import Money, total


class InvoiceStatus(StrEnum):
    """Every status there is. Past due is no status: it follows from the due date."""

    DRAFT = "draft"
    OPEN = "open"
    PROCESSING = "processing"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    REFUNDED = "refunded"
    UNCOLLECTIBLE = "uncollectible"
    VOID = "void"


PAYABLE = frozenset({InvoiceStatus.OPEN, InvoiceStatus.PARTLY_PAID, InvoiceStatus.UNCOLLECTIBLE})
"""Statuses in which a customer may start a payment."""


@dataclass(frozen=True, slots=True)
class DraftLine:
    """One line as it is typed: `quantity` times `unit`, taxed at `tax_rate` percent."""

    description: str
    quantity: int
    unit: Money
    tax_rate: Decimal = Decimal(0)

    @property
    def amount(self) -> Money:
        """Without tax."""
        return self.unit.times(self.quantity)


@dataclass(frozen=True, slots=True)
class Totals:
    """`total` is `subtotal` and `tax` together."""

    subtotal: Money
    tax: Money
    total: Money


def totals(lines: Iterable[DraftLine], currency: str) -> Totals:
    """Add the lines up. Tax is computed once for each rate, on the sum of its lines, half up."""
    known = list(lines)
    by_rate: dict[Decimal, Money] = {}
    for line in known:
        by_rate[line.tax_rate] = by_rate.get(line.tax_rate, Money(0, currency)) + line.amount
    subtotal = total([line.amount for line in known], currency)
    tax = total([amount.percent(rate) for rate, amount in by_rate.items()], currency)
    return Totals(subtotal, tax, subtotal + tax)


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that a status follows from. Amounts in minor units of the invoice's currency."""

    total_minor: int
    received_minor: int
    returned_minor: int
    processing: bool
    closed: InvoiceStatus | None
    """`VOID` or `UNCOLLECTIBLE` when somebody closed it."""


def next_status(standing: Standing) -> InvoiceStatus:
    """The status of a finalised invoice. Money that arrived outweighs what anybody declared."""
    if standing.received_minor > 0 or standing.total_minor == 0:
        return _status_of_paid(standing)
    if standing.closed is InvoiceStatus.VOID:
        return InvoiceStatus.VOID
    if standing.processing:
        return InvoiceStatus.PROCESSING
    return standing.closed or InvoiceStatus.OPEN


def _status_of_paid(standing: Standing) -> InvoiceStatus:
    if standing.total_minor > 0 and standing.returned_minor >= standing.received_minor:
        return InvoiceStatus.REFUNDED
    if standing.received_minor >= standing.total_minor:
        return InvoiceStatus.PAID
    return InvoiceStatus.PROCESSING if standing.processing else InvoiceStatus.PARTLY_PAID
