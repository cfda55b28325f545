"""How a figure compares with the month before, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from portal.money import Money


def compare(collected: tuple[Money, ...], collected_before: tuple[Money, ...]) -> tuple[str, str]:
    """`(tone, words)` for the first sum against the same currency in the whole month before."""
    now = collected[0]
    before = next((m for m in collected_before if m.currency == now.currency), Money(0, now.currency))
    if before.amount_minor <= 0:
        return "mute", "Nothing in the month before" if now.amount_minor else ""
    change = percent_more(now.amount_minor, before.amount_minor)
    if change == 0:
        return "mute", f"As in the month before ({before.format()})"
    direction = "more" if change > 0 else "less"
    return ("ok" if change > 0 else "mute"), f"{abs(change)}% {direction} than the whole month before"


def join_sums(sums: tuple[Money, ...]) -> str:
    """`$42.00`, or `$42.00 and €10.00` in several currencies."""
    return " and ".join(money.format() for money in sums)


def months_before(today: date, count: int) -> list[date]:
    """The first days of `count` months, the one of `today` last."""
    last = today.year * 12 + today.month - 1
    return [date(number // 12, number % 12 + 1, 1) for number in range(last - count + 1, last + 1)]


def month_label(month: date) -> str:
    """`Dec`, and `Jan 26` where a year begins."""
    return f"{month:%b}" if month.month > 1 else f"{month:%b %y}"


def weeks_before(today: date, count: int) -> list[date]:
    """The Mondays of `count` weeks, the one of `today` last."""
    monday = today - timedelta(days=today.weekday())
    return [monday - timedelta(weeks=number) for number in reversed(range(count))]


def by_use(used: Mapping[str, int], first: str, most: int) -> list[str]:
    """The currencies to draw: `first` leads, then those with most in them; not more than `most`."""
    return sorted(used, key=lambda each: (each != first, -used[each], each))[:most]


def percent_more(now: int, before: int) -> int:
    """By how many percent of `before` it became more; below zero: less."""
    return round(Fraction(now - before, before) * 100)


def month_summary(currency: str, by_month: Sequence[tuple[date, int]]) -> str:
    """One sentence: the running month, and the last whole one beside the one before it."""
    if not any(amount for _, amount in by_month):
        return f"Nothing was collected in {currency.upper()} in the last {len(by_month)} months."
    (before, earlier), (last, whole), (running, so_far) = by_month[-3:]
    now, then = Money(so_far, currency).format(), Money(whole, currency).format()
    return f"{now} in {running:%B} so far; {then} in {last:%B}{_beside(whole, before, earlier)}."


def recurring_summary(currency: str, by_month: Sequence[tuple[date, int]]) -> str:
    """One sentence: what recurs now beside the end of the month before."""
    if not any(amount for _, amount in by_month):
        return f"Nothing recurred in {currency.upper()} in the last {len(by_month)} months."
    (before, then), (_, now) = by_month[-2:]
    words = f"{_of(now, currency)} a month now"
    if then == 0:
        return f"{words}; nothing at the end of {before:%B}."
    change = percent_more(now, then)
    if change == 0:
        return f"{words}, as at the end of {before:%B}."
    return f"{words}, {abs(change)}% {'more' if change > 0 else 'less'} than at the end of {before:%B}."


def movement_summary(currency: str, by_month: Sequence[tuple[date, int, int]]) -> str:
    """One sentence: month, what was gained and what was lost, for the running month and the one before."""
    if not any(gained or lost for _, gained, lost in by_month):
        return f"Nothing changed in {currency.upper()} in the last {len(by_month)} months."
    (before, earned, missed), (running, gained, lost) = by_month[-2:]
    now = f"{_of(gained, currency)} a month gained and {_of(lost, currency)} lost in {running:%B} so far"
    return f"{now}; {_of(earned, currency)} and {_of(missed, currency)} in {before:%B}."


@dataclass(frozen=True, slots=True)
class FailedWeek:
    """What first failed in a week, in minor units, by what became of it until today."""

    week: date
    recovered: int = 0
    """Paid later."""
    lost: int = 0
    """Void, given up, or of a subscription that ended or is unpaid."""
    open: int = 0


def failure_summary(currency: str, by_week: Sequence[FailedWeek]) -> str:
    """One sentence: what first failed this week and in the last, and what became of it."""
    last, this = by_week[-2:]
    said = f"{_fates(this, currency)} this week so far; {_fates(last, currency)} last week."
    return said[0].upper() + said[1:]


def _fates(week: FailedWeek, currency: str) -> str:
    failed = week.recovered + week.lost + week.open
    if not failed:
        return "nothing failed"
    shares = ((week.recovered, "recovered"), (week.lost, "lost"), (week.open, "still open"))
    split = ", ".join(f"{_of(amount, currency)} {word}" for amount, word in shares if amount)
    return f"{_of(failed, currency)} failed ({split})"


def _of(amount_minor: int, currency: str) -> str:
    return Money(abs(amount_minor), currency).format()


def _beside(whole: int, before: date, earlier: int) -> str:
    if earlier <= 0 or whole < 0:
        return ""
    change = percent_more(whole, earlier)
    if change == 0:
        return f", as in {before:%B}"
    return f", {abs(change)}% {'more' if change > 0 else 'less'} than in {before:%B}"
