"""Periods of subscriptions: whole intervals counted from the day they are anchored to."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime

from plugins.stripe.sandbox.errors import Json

DAY = 86400
_LONGEST = {"day": DAY, "week": 7 * DAY, "month": 31 * DAY, "year": 366 * DAY}


def period_end(anchor: int, start: int, recurring: Json) -> int:
    """When the period that holds `start` ends. Before the anchor, during a trial, that is the anchor."""
    interval, count = recurring["interval"], int(recurring["interval_count"])
    steps = max((start - anchor) // (_LONGEST[interval] * count), 0)
    while (end := _shifted(anchor, interval, steps * count)) <= start:
        steps += 1
    return end


def _shifted(anchor: int, interval: str, number: int) -> int:
    if interval in ("day", "week"):
        return anchor + number * _LONGEST[interval]
    return _months_later(anchor, number * (12 if interval == "year" else 1))


def _months_later(anchor: int, months: int) -> int:
    """The same day so many months on; the last of the month where that is shorter."""
    moment = datetime.fromtimestamp(anchor, UTC)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return int(moment.replace(year=year, month=month + 1, day=day).timestamp())
