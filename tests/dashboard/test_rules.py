from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from portal.dashboard.queries import Period
from portal.dashboard.rules import compare, join_sums
from portal.money import Money


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (0, 0, ("mute", "")),
        (4200, 0, ("mute", "Nothing in the month before")),
        (4200, 4200, ("mute", "As in the month before ($42.00)")),
        (6300, 4200, ("ok", "50% more than the whole month before")),
        (2100, 4200, ("mute", "50% less than the whole month before")),
        (2100, -100, ("mute", "Nothing in the month before")),
    ],
)
def test_comparison_is_said_in_words(now: int, before: int, expected: tuple[str, str]) -> None:
    assert compare((Money(now, "usd"),), (Money(before, "usd"),)) == expected


def test_other_currency_is_not_compared() -> None:
    assert compare((Money(100, "usd"),), (Money(100, "eur"),)) == ("mute", "Nothing in the month before")


def test_currencies_stand_side_by_side() -> None:
    assert join_sums((Money(4200, "usd"), Money(500, "jpy"))) == "$42.00 and ¥500"


@pytest.mark.parametrize(("now", "before"), [((2026, 1, 31), (2025, 12, 1)), ((2026, 3, 31), (2026, 2, 1))])
def test_month_begins_by_the_clock_of_the_organisation(
    now: tuple[int, int, int], before: tuple[int, int, int]
) -> None:
    zone = ZoneInfo("Pacific/Auckland")
    period = Period(datetime(*now, 1, 30, tzinfo=zone))
    assert period.start == datetime(now[0], now[1], 1, tzinfo=zone)
    assert period.start_before == datetime(*before, tzinfo=zone)
