from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.auth.rules import (
    FREE_TRIES_ACCOUNT,
    FREE_TRIES_NETWORK,
    LONGEST_DELAY,
    Counter,
    next_counter,
    say_wait,
    why_over,
)

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def guesses_let_in(free_tries: int, *, every: timedelta, during: timedelta) -> int:
    counter, now, let_in = Counter(0, NOON, NOON), NOON, 0
    while now < NOON + during:
        after = next_counter(counter, free_tries=free_tries, now=now)
        if after:
            counter, let_in = after, let_in + 1
        now += every
    return let_in


def test_thousand_guesses_in_ten_minutes_leave_at_most_thirty() -> None:
    pace = timedelta(seconds=0.6)
    ten_minutes = timedelta(minutes=10)
    assert guesses_let_in(FREE_TRIES_NETWORK, every=pace, during=ten_minutes) <= 30
    assert guesses_let_in(FREE_TRIES_ACCOUNT, every=pace, during=ten_minutes) <= 15


def test_nobody_is_locked_out_for_good() -> None:
    counter = Counter(10_000, NOON, NOON)
    after = next_counter(counter, free_tries=5, now=NOON)
    assert after
    assert after.free_at - NOON == LONGEST_DELAY


def test_quiet_hour_forgives() -> None:
    after = next_counter(Counter(50, NOON - timedelta(hours=1), NOON), free_tries=5, now=NOON)
    assert after == Counter(1, NOON, NOON)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 second"),
        (0.2, "1 second"),
        (20, "20 seconds"),
        (59.5, "1 minute"),
        (61, "2 minutes"),
        (300, "5 minutes"),
    ],
)
def test_wait_is_said_in_whole_units_rounded_up(seconds: float, words: str) -> None:
    assert say_wait(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("age", "quiet", "kept", "over"),
    [
        (timedelta(hours=11), timedelta(minutes=29), False, None),
        (timedelta(hours=12), timedelta(0), False, "12 hours"),
        (timedelta(hours=1), timedelta(minutes=30), False, "30 minutes without activity"),
        (timedelta(days=29), timedelta(days=13), True, None),
        (timedelta(days=30), timedelta(0), True, "30 days"),
        (timedelta(days=15), timedelta(days=14), True, "14 days without activity"),
    ],
)
def test_session_ends_at_its_limits(age: timedelta, quiet: timedelta, kept: bool, over: str | None) -> None:  # noqa: FBT001 - a case of the table
    assert why_over(created_at=NOON - age, last_seen_at=NOON - quiet, kept=kept, now=NOON) == over
