"""How values look on a page: money, dates, times, counts. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_compact_currency, format_decimal
from markupsafe import Markup

from portal.money import Money, signed

LOCALE = "en"
DATE = "d MMM y"
LONG_DATE = "d MMMM y"
TIME_OF_DAY = "HH:mm"


def show_money(value: Money | tuple[int, str]) -> str:
    """`$42.00` or `−$5.00` from a Money or a pair of minor units and currency."""
    return (value if isinstance(value, Money) else Money(*value)).format()


def show_short_money(value: Money) -> str:
    """`$1.2K` beside a grid line, where the whole amount has no room."""
    text: str = format_compact_currency(
        value.major, value.currency.upper(), locale=f"{LOCALE}_US", fraction_digits=1
    )
    return signed(text)


def show_datetime(at: datetime, zone: str = "UTC") -> Markup:
    """`<time>` with date and minute in `zone`; `at` is aware."""
    return _show_time(at, zone, TIME_OF_DAY)


def show_moment(at: datetime, zone: str = "UTC") -> Markup:
    """The same with seconds, for what happens many times a minute."""
    return _show_time(at, zone, f"{TIME_OF_DAY}:ss")


def _show_time(at: datetime, zone: str, pattern: str) -> Markup:
    local = _in_zone(at, zone)
    text = format_datetime(local, f"{DATE}, {pattern}", locale=LOCALE)
    title = format_datetime(local, f"EEEE, {LONG_DATE}, HH:mm:ss zzzz", locale=LOCALE)
    return _time_element(at.astimezone(UTC).isoformat(timespec="seconds"), text, title)


def show_date(value: datetime | date, zone: str = "UTC") -> Markup:
    """`<time>` with the date alone: `30 Nov 2026`. A plain date has no zone."""
    return _day_element(_in_zone(value, zone).date() if isinstance(value, datetime) else value, DATE)


def show_long_date(value: datetime | date, zone: str = "UTC") -> Markup:
    """`<time>` with the month in full: `30 November 2026`."""
    return _day_element(_in_zone(value, zone).date() if isinstance(value, datetime) else value, LONG_DATE)


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


@lru_cache(maxsize=2048)
def _day_element(day: date, pattern: str) -> Markup:
    """The same few days stand on every line of a list."""
    return _time_element(day.isoformat(), format_date(day, pattern, locale=LOCALE), None)


def _time_element(machine: str, text: str, title: str | None) -> Markup:
    extra = Markup(' title="{}"').format(title) if title else ""
    return Markup('<time datetime="{}"{}>{}</time>').format(machine, extra, text)
