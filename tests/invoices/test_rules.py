"""What an invoice amounts to, and which status follows from its ledger."""

from __future__ import annotations

from decimal import Decimal

import pytest

from portal.invoices.rules import (
    InvoiceStatus,
    Standing,
    StoredLine,
    amount_due,
    imported_lines,
    next_status,
    overpaid,
)
from portal.invoices.sums import DraftLine, totals
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


@pytest.mark.parametrize(
    ("received", "credited", "returned", "closed", "status"),
    [
        (0, 30, 0, None, PARTLY),
        (0, 30, 0, VOID, VOID),
        (0, 30, 0, LOST, LOST),
        (0, 100, 0, None, PAID),
        (70, 30, 0, None, PAID),
        (70, 30, 70, None, REFUNDED),
        (40, 30, 0, VOID, PARTLY),
    ],
)
def test_credits_make_the_debt_less_and_are_no_money(  # noqa: PLR0917 - a table of cases
    received: int, credited: int, returned: int, closed: InvoiceStatus | None, status: InvoiceStatus
) -> None:
    standing = Standing(100, received, returned, processing=False, closed=closed, credited_minor=credited)
    assert next_status(standing) is status


@pytest.mark.parametrize(
    ("received", "returned", "held", "status"),
    [
        (100, 100, 100, PAID),
        (100, 100, 40, PAID),
        (100, 100, 0, REFUNDED),
        (100, 40, 40, PAID),
        (40, 40, 40, PARTLY),
        (40, 40, 0, REFUNDED),
        (100, 110, 10, REFUNDED),
    ],
)
def test_money_that_a_bank_holds_is_not_refunded_until_the_dispute_is_lost(
    received: int, returned: int, held: int, status: InvoiceStatus
) -> None:
    standing = Standing(100, received, returned, processing=False, closed=None, held_minor=held)
    assert next_status(standing) is status


def test_an_invoice_that_gives_credit_owes_nothing() -> None:
    assert next_status(Standing(-500, 0, 0, processing=False, closed=None)) is PAID


@pytest.mark.parametrize(
    ("paid", "returned", "due"),
    [(0, 0, 100), (40, 0, 60), (70, 30, 0), (0, 100, 0), (30, 10, 60), (120, 0, 0)],
)
def test_what_went_back_is_not_owed_again(paid: int, returned: int, due: int) -> None:
    assert amount_due(100, paid, returned) == due


@pytest.mark.parametrize(
    ("total", "paid", "over"),
    [(100, 100, 0), (100, 130, 30), (100, 40, 0), (100, 0, 0), (0, 5, 5), (-500, 0, 0)],
)
def test_what_came_on_top_of_the_total_is_overpaid(total: int, paid: int, over: int) -> None:
    assert overpaid(total, paid) == over


def test_lines_of_a_provider_come_to_the_subtotal_whatever_they_leave_out() -> None:
    told = [("Seats", 3, 900), ("Hours", 3, 1_000), ("", 0, -50), ("Units", 1_000, 0)]
    assert imported_lines(told, 1_700) == [
        StoredLine("Seats", 3, 300),
        StoredLine("Hours (3 in all)", 1, 1_000),
        StoredLine("Without a description", 1, -50),
        StoredLine("Units", 1_000, 0),
        StoredLine("Discounts and credits", 1, -150),
    ]
    assert imported_lines([], 500) == [StoredLine("Total of the invoice", 1, 500)]
    assert imported_lines([], 0) == []


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
