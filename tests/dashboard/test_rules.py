from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from portal.dashboard.queries import Period
from portal.dashboard.rules import (
    FailedWeek,
    by_use,
    compare,
    failure_summary,
    join_sums,
    month_label,
    month_summary,
    months_before,
    movement_summary,
    recurring_summary,
    weeks_before,
)
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


@pytest.mark.parametrize(
    ("today", "count", "first", "last"),
    [
        (date(2026, 11, 26), 12, date(2025, 12, 1), date(2026, 11, 1)),
        (date(2026, 1, 31), 3, date(2025, 11, 1), date(2026, 1, 1)),
        (date(2026, 12, 1), 1, date(2026, 12, 1), date(2026, 12, 1)),
    ],
)
def test_months_run_back_over_the_turn_of_the_year(today: date, count: int, first: date, last: date) -> None:
    months = months_before(today, count)
    assert (len(months), months[0], months[-1]) == (count, first, last)


@pytest.mark.parametrize(
    ("september", "october", "november", "words"),
    [
        (0, 0, 0, "Nothing was collected in USD in the last 3 months."),
        (2_000, 3_000, 400, "$4.00 in November so far; $30.00 in October, 50% more than in September."),
        (2_000, 1_000, 0, "$0.00 in November so far; $10.00 in October, 50% less than in September."),
        (2_000, 2_000, 0, "$0.00 in November so far; $20.00 in October, as in September."),
        (0, 3_000, 400, "$4.00 in November so far; $30.00 in October."),
        (2_000, -500, 400, "$4.00 in November so far; −$5.00 in October."),
    ],
)
def test_picture_is_said_in_one_sentence(september: int, october: int, november: int, words: str) -> None:
    sums = zip(months_before(date(2026, 11, 26), 3), (september, october, november), strict=True)
    assert month_summary("usd", list(sums)) == words


@pytest.mark.parametrize(
    ("today", "count", "weeks"),
    [
        (date(2026, 11, 27), 1, [date(2026, 11, 23)]),
        (date(2026, 11, 23), 2, [date(2026, 11, 16), date(2026, 11, 23)]),
        (date(2026, 11, 29), 1, [date(2026, 11, 23)]),
        (date(2027, 1, 3), 2, [date(2026, 12, 21), date(2026, 12, 28)]),
    ],
)
def test_weeks_begin_on_monday_and_run_back_over_the_turn_of_the_year(
    today: date, count: int, weeks: list[date]
) -> None:
    assert weeks_before(today, count) == weeks


def test_labels_tell_where_a_year_begins() -> None:
    assert [month_label(month) for month in months_before(date(2026, 1, 31), 2)] == ["Dec", "Jan 26"]


def test_default_currency_leads_and_the_least_used_are_left_out() -> None:
    used = {"eur": 1, "jpy": 5, "usd": 2, "gbp": 5}
    assert by_use(used, "eur", 3) == ["eur", "gbp", "jpy"]
    assert by_use(used, "chf", 2) == ["gbp", "jpy"]


@pytest.mark.parametrize(
    ("then", "now", "words"),
    [
        (0, 0, "Nothing recurred in USD in the last 2 months."),
        (0, 500, "$5.00 a month now; nothing at the end of October."),
        (500, 500, "$5.00 a month now, as at the end of October."),
        (400, 500, "$5.00 a month now, 25% more than at the end of October."),
        (500, 400, "$4.00 a month now, 20% less than at the end of October."),
        (500, 0, "$0.00 a month now, 100% less than at the end of October."),
    ],
)
def test_what_recurs_is_said_in_one_sentence(then: int, now: int, words: str) -> None:
    sums = zip(months_before(date(2026, 11, 26), 2), (then, now), strict=True)
    assert recurring_summary("usd", list(sums)) == words


@pytest.mark.parametrize(
    ("october", "november", "words"),
    [
        ((0, 0), (0, 0), "Nothing changed in USD in the last 2 months."),
        (
            (300, 0),
            (500, -200),
            "$5.00 a month gained and $2.00 lost in November so far; $3.00 and $0.00 in October.",
        ),
    ],
)
def test_what_moved_it_is_said_in_one_sentence(
    october: tuple[int, int], november: tuple[int, int], words: str
) -> None:
    (one, other) = months_before(date(2026, 11, 26), 2)
    assert movement_summary("usd", [(one, *october), (other, *november)]) == words


def test_failures_are_said_in_one_sentence() -> None:
    (last, this) = weeks_before(date(2026, 11, 26), 2)
    weeks = [FailedWeek(last, recovered=500, lost=300, open=100), FailedWeek(this, open=700)]
    assert failure_summary("usd", weeks) == (
        "$7.00 failed ($7.00 still open) this week so far; "
        "$9.00 failed ($5.00 recovered, $3.00 lost, $1.00 still open) last week."
    )
    assert failure_summary("usd", [FailedWeek(last, lost=900), FailedWeek(this)]) == (
        "Nothing failed this week so far; $9.00 failed ($9.00 lost) last week."
    )
