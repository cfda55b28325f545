"""Which reminder is due when, and in which words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from portal.messages.rules import due_words, may_write_now, step_days

TODAY = date(2026, 11, 26)


def ago(days: int) -> date:
    """So many days before today."""
    return TODAY - timedelta(days=days)


@pytest.mark.parametrize(
    ("due", "words"),
    [
        (None, "open"),
        (TODAY, "due today"),
        (ago(-1), "due in 1 day"),
        (ago(-3), "due in 3 days"),
        (ago(1), "1 day past due"),
        (ago(10), "10 days past due"),
    ],
)
def test_words_say_how_late_it_is(due: date | None, words: str) -> None:
    assert due_words(due, TODAY) == words


def test_a_reminder_is_due_on_its_day_and_two_days_later_at_most() -> None:
    assert step_days(TODAY, [3]) == [(ago(5), ago(2)), (ago(4), ago(1)), (ago(3), TODAY)]
    assert (ago(-3), TODAY) in step_days(TODAY, [-3])
    assert step_days(TODAY, []) == []


def test_of_several_reminders_that_were_missed_the_latest_alone_is_due() -> None:
    days = dict(step_days(TODAY, [3, 2, 1]))
    assert days[ago(3)] == TODAY
    assert days[ago(2)] == TODAY
    assert days[ago(4)] == ago(1)


@pytest.mark.parametrize(
    ("hour", "zone", "may"),
    [(7, "UTC", False), (8, "UTC", True), (23, "Asia/Tokyo", True), (22, "Asia/Tokyo", False)],
)
def test_nobody_is_written_to_before_the_companys_morning(hour: int, zone: str, *, may: bool) -> None:
    assert may_write_now(datetime(2026, 11, 26, hour, tzinfo=UTC), zone) is may
