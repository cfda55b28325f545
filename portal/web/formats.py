"""How values look on a page: money, dates, times, counts. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from markupsafe import Markup

from portal.money import Money

LOCALE = "en"
DATE = "d MMM y"
LONG_DATE = "d MMMM y"
TIME_OF_DAY = "HH:mm"


def show_money(value: Money | tuple[int, str]) -> str:
    """`$42.00` from a Money or a pair of minor units and currency."""
    return (value if isinstance(value, Money) else Money(*value)).format()


def show_datetime(at: datetime, zone: str = "UTC") -> Markup:
    """`<time>` with date and minute in `zone`; `at` is aware."""
    local = _in_zone(at, zone)
    text = format_datetime(local, f"{DATE}, {TIME_OF_DAY}", locale=LOCALE)
    title = format_datetime(local, f"EEEE, {LONG_DATE}, HH:mm:ss zzzz", locale=LOCALE)
    return _time_element(at.astimezone(UTC).isoformat(timespec="seconds"), text, title)


def show_date(value: datetime | date, zone: str = "UTC") -> Markup:
    """`<time>` with the date alone: `30 Nov 2026`. A plain date has no zone."""
    day = _in_zone(value, zone).date() if isinstance(value, datetime) else value
    return _time_element(day.isoformat(), format_date(day, DATE, locale=LOCALE), None)


def show_long_date(value: datetime | date, zone: str = "UTC") -> Markup:
    """`<time>` with the month in full: `30 November 2026`."""
    day = _in_zone(value, zone).date() if isinstance(value, datetime) else value
    return _time_element(day.isoformat(), format_date(day, LONG_DATE, locale=LOCALE), None)


def show_count(value: int, ceiling: int = 10_000) -> str:
    """`1,240`, and `10,000+` above the ceiling: totals beyond it are not counted."""
    if value > ceiling:
        return f"{format_decimal(ceiling, locale=LOCALE)}+"
    return str(format_decimal(value, locale=LOCALE))


def show_ago(at: datetime, now: datetime) -> str:
    """`4 minutes ago`, `in 7 days`; for use beside an absolute time, never instead of it."""
    seconds = (at - now).total_seconds()
    amount, unit = _largest_unit(abs(seconds))
    if amount == 0:
        return "just now"
    words = f"{amount} {unit}{'' if amount == 1 else 's'}"
    return f"in {words}" if seconds > 0 else f"{words} ago"


def _largest_unit(seconds: float) -> tuple[int, str]:
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length:
            return round(seconds / length), unit
    return 0, "minute"


def _in_zone(at: datetime, zone: str) -> datetime:
    if at.tzinfo is None:
        raise ValueError("times on pages are aware")
    return at.astimezone(ZoneInfo(zone))


def _time_element(machine: str, text: str, title: str | None) -> Markup:
    extra = Markup(' title="{}"').format(title) if title else ""
    return Markup('<time datetime="{}"{}>{}</time>').format(machine, extra, text)
