"""How values look."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from portal.web.formats import show_ago, show_count, show_date

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        (timedelta(seconds=-20), "just now"),
        (timedelta(minutes=-1), "1 minute ago"),
        (timedelta(hours=-5), "5 hours ago"),
        (timedelta(days=7), "in 7 days"),
    ],
)
def test_distance_is_said_in_its_largest_unit(apart: timedelta, words: str) -> None:
    assert show_ago(NOW + apart, NOW) == words


def test_plain_date_has_no_zone() -> None:
    assert (
        show_date(date(2026, 11, 30), "Pacific/Auckland") == '<time datetime="2026-11-30">30 Nov 2026</time>'
    )


def test_count_stops_at_its_ceiling() -> None:
    assert [show_count(value) for value in (0, 1_240, 10_000, 10_001)] == ["0", "1,240", "10,000", "10,000+"]
