"""What a subscription brings every month."""

from __future__ import annotations

import pytest

from portal.money import Money
from portal.subscriptions.rules import Recurring, monthly_recurring


@pytest.mark.parametrize(
    ("interval", "count", "amount", "monthly"),
    [
        ("month", 1, 2_900, 2_900),
        ("month", 3, 3_000, 1_000),
        ("year", 1, 12_000, 1_000),
        ("year", 2, 1_000, 42),  # 41.67
        ("week", 1, 700, 3_042),  # 365/84 weeks a month
        ("day", 1, 100, 3_042),
        ("fortnight", 1, 100, 0),
    ],
)
def test_amount_of_a_period_is_brought_to_a_month(
    interval: str, count: int, amount: int, monthly: int
) -> None:
    assert monthly_recurring([Recurring("usd", interval, count, amount)]) == (Money(monthly, "usd"),)


def test_sums_are_rounded_once_and_currencies_kept_apart() -> None:
    thirds = [Recurring("usd", "month", 3, 100)] * 3
    assert monthly_recurring([*thirds, Recurring("jpy", "year", 1, 6)]) == (
        Money(1, "jpy"),
        Money(100, "usd"),
    )
