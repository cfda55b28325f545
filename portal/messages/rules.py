"""Which reminder is due when, and what words say how late an invoice is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CATCH_UP_DAYS = 2
"""A reminder whose day passed while no worker ran is still sent this many days later."""
FIRST_HOUR = time(8)
"""Nobody gets a reminder before this time of the company's day."""


def step_days(today: date, steps: Iterable[int]) -> list[tuple[date, date]]:
    """The days on which an invoice has to be due for a reminder today: (due date, day of the reminder).

    For each due date the latest reminder alone: whoever was not written to for two days gets one, not three.
    """
    latest: dict[date, date] = {}
    for step in steps:
        for late in range(CATCH_UP_DAYS + 1):
            day = today - timedelta(days=late)
            due = day - timedelta(days=step)
            latest[due] = max(latest.get(due, day), day)
    return sorted(latest.items())


def may_write_now(now: datetime, time_zone: str) -> bool:
    """Whether it is an hour at which people are written to where the company is."""
    return now.astimezone(ZoneInfo(time_zone)).time() >= FIRST_HOUR


def due_words(due: date | None, today: date) -> str:
    """How it stands with the due date, after "The invoice is": `due in 3 days`, `1 day past due`."""
    if due is None:
        return "open"
    days = (due - today).days
    if days == 0:
        return "due today"
    count = f"{abs(days)} day{'' if abs(days) == 1 else 's'}"
    return f"due in {count}" if days > 0 else f"{count} past due"
