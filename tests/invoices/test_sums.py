"""What the lines of an invoice add up to: tax by rate, and the discount's share of each."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.invoices.sums import Discount, DraftLine, TaxLine, Totals, totals
from portal.money import Money, step

VAT = Decimal(20)


def line(amount: int, rate: str = "0", currency: str = "usd", *, name: str = "") -> DraftLine:
    return DraftLine("Work", 1, Money(amount, currency), Decimal(rate), name)


def usd(amount: int) -> Money:
    return Money(amount, "usd")


def test_discount_is_taken_off_before_tax_and_shared_among_the_rates() -> None:
    found = totals([line(10_000, "20"), line(30_000, "10")], "usd", Discount(percent=Decimal(10)))
    assert found == Totals(
        subtotal=usd(40_000),
        discount=usd(4_000),
        taxes=(
            TaxLine("", Decimal(20), usd(9_000), usd(1_800)),
            TaxLine("", Decimal(10), usd(27_000), usd(2_700)),
        ),
        tax=usd(4_500),
        total=usd(40_500),
    )


def test_lines_without_tax_take_their_share_of_the_discount() -> None:
    found = totals([line(5_000), line(5_000, "20")], "usd", Discount(amount=usd(1_000)))
    assert (found.taxes, found.total) == ((TaxLine("", VAT, usd(4_500), usd(900)),), usd(9_900))


def test_two_taxes_of_one_rate_are_told_apart_by_name() -> None:
    found = totals([line(1_000, "5", name="GST"), line(1_000, "5", name="PST")], "usd")
    assert [(each.name, each.tax) for each in found.taxes] == [("GST", usd(50)), ("PST", usd(50))]


@pytest.mark.parametrize(
    ("discount", "off"),
    [
        (None, 0),
        (Discount(percent=Decimal(100)), 999),
        (Discount(percent=Decimal("33.333")), 333),
        (Discount(amount=Money(5_000, "usd")), 999),
        (Discount(percent=Decimal(0)), 0),
    ],
)
def test_discount_is_never_more_than_the_subtotal(discount: Discount | None, off: int) -> None:
    assert totals([line(999)], "usd", discount).discount == usd(off)


def test_credit_alone_leaves_nothing_to_take_a_discount_from() -> None:
    assert totals([line(-500)], "usd", Discount(percent=Decimal(10))).total == usd(-500)


RATES = st.sampled_from(["7", "8.875", "19"])


@given(
    currency=st.sampled_from(["usd", "jpy", "kwd", "isk"]),
    amounts=st.lists(st.tuples(st.integers(0, 900_000), RATES), min_size=1),
    percent=st.decimals(0, 100, places=3),
)
def test_parts_always_add_up_and_every_sum_can_be_charged(
    currency: str, amounts: list[tuple[int, str]], percent: Decimal
) -> None:
    lines = [line(amount * step(currency), rate, currency) for amount, rate in amounts]
    found = totals(lines, currency, Discount(percent=percent))
    nets = sum(each.net.amount_minor for each in found.taxes)
    assert nets == found.subtotal.amount_minor - found.discount.amount_minor
    assert found.total.amount_minor == nets + found.tax.amount_minor
    for each in found.taxes:
        assert each.net.amount_minor >= 0
        assert each.net.amount_minor % step(currency) == each.tax.amount_minor % step(currency) == 0
