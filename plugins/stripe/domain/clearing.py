"""When a bank debit is decided at the latest. Pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

BANKS = ZoneInfo("America/New_York")
CUT_OFF = time(21)
"""What starts later belongs to the next day."""
BUSINESS_DAYS = 4
SATURDAY = 5


def decided_by(started: datetime) -> datetime:
    """The fourth business day after a debit of a US account started, at noon where the banks are.

    Bank holidays are not counted: it is what people may expect, not a promise.
    """
    local = started.astimezone(BANKS)
    day = local.date() + timedelta(days=local.time() >= CUT_OFF)
    while day.weekday() >= SATURDAY:
        day += timedelta(days=1)
    left = BUSINESS_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < SATURDAY
    return datetime.combine(day, time(12), BANKS)
