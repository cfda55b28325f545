"""What an invoice amounts to, and which status follows from its ledger."""

from __future__ import annotations

from decimal import Decimal

import pytest

from portal.invoices.rules import DraftLine, InvoiceStatus, Standing, next_status, totals
from portal.money import Money

OPEN, PAID, VOID = InvoiceStatus.OPEN, InvoiceStatus.PAID, InvoiceStatus.VOID
PARTLY, PROCESSING = InvoiceStatus.PARTLY_PAID, InvoiceStatus.PROCESSING
LOST, REFUNDED = InvoiceStatus.UNCOLLECTIBLE, InvoiceStatus.REFUNDED


@pytest.mark.parametrize(
    ("total", "received", "returned", "processing", "closed", "status"),
    [
        (100, 0, 0, False, None, OPEN),
        (100, 0, 0, True, None, PROCESSING),
        (100, 100, 0, False, None, PAID),
        (100, 120, 0, False, None, PAID),
        (100, 40, 0, False, None, PARTLY),
        (100, 40, 0, True, None, PROCESSING),
        (100, 100, 30, False, None, PAID),
        (100, 100, 100, False, None, REFUNDED),
        (100, 40, 40, False, None, REFUNDED),
        (100, 0, 0, False, VOID, VOID),
        (100, 0, 0, True, VOID, VOID),
        (100, 100, 0, False, VOID, PAID),
        (100, 0, 0, False, LOST, LOST),
        (100, 100, 0, False, LOST, PAID),
        (0, 0, 0, False, None, PAID),
    ],
)
def test_status_follows_from_the_money(  # noqa: PLR0917 - a table of cases
    total: int,
    received: int,
    returned: int,
    processing: bool,  # noqa: FBT001 - a column of the table
    closed: InvoiceStatus | None,
    status: InvoiceStatus,
) -> None:
    assert next_status(Standing(total, received, returned, processing, closed)) is status


def line(amount: int, quantity: int = 1, rate: str = "0") -> DraftLine:
    return DraftLine("x", quantity, Money(amount, "usd"), Decimal(rate))


def test_tax_is_rounded_once_for_each_rate_not_for_each_line() -> None:
    sums = totals([line(25, rate="10"), line(25, rate="10")], "usd")
    assert (sums.subtotal, sums.tax, sums.total) == (Money(50, "usd"), Money(5, "usd"), Money(55, "usd"))


def test_quantities_multiply_before_tax() -> None:
    sums = totals([line(4_000, 2, "20"), line(32_000, 1, "20")], "usd")
    assert sums.total == Money(48_000, "usd")


def test_no_lines_amount_to_nothing() -> None:
    assert totals([], "usd").total == Money(0, "usd")
