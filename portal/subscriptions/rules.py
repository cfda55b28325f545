"""What a provider's word about a subscription means for what the portal asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from portal.money import Money

ENDED = frozenset({"canceled", "incomplete_expired"})
OPPOSITES = {
    "cancel_at_period_end": "keep",
    "keep": "cancel_at_period_end",
    "pause": "resume",
    "resume": "pause",
}
"""What takes back a wish that is still under way."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The parts of a subscription that a wish is about."""

    status: str
    ends_later: bool
    """It ends at the end of its period, or on a day that was chosen."""
    pause: str
    plan: str = ""
    """The provider's id."""
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class WishedPlan:
    """What `change_plan` asks for. `quantity` 0: none is ordered."""

    plan: str = ""
    quantity: int = 0


NO_PLAN = WishedPlan()


def is_granted(wish: str, shown: Shown, wished: WishedPlan = NO_PLAN) -> bool:
    """Whether the subscription is as the portal asked. An ended one leaves nothing to wish for."""
    if shown.status in ENDED:
        return True
    paused = bool(shown.pause) or shown.status == "paused"
    return {
        "cancel_now": False,
        "cancel_at_period_end": shown.ends_later,
        "keep": not shown.ends_later,
        "pause": paused,
        "resume": not paused,
        "change_plan": shown.plan == wished.plan and wished.quantity in (0, shown.quantity),
    }.get(wish, True)


def plain(status: str) -> str:
    """A status for people: `past due`, `cancelled`."""
    words = {"canceled": "cancelled", "incomplete_expired": "expired before the first payment"}
    return words.get(status, status.replace("_", " "))


RECURRING = ("active", "past_due")
"""Statuses whose amounts recur: trials, paused and unpaid ones bring nothing (yet)."""
PARTS = 30_270_240
"""Into so many parts `recurring_change` splits a minor unit: then the month's share of every usual rhythm is
a whole number (1 to 13, 18, 24 and 36 months, 1 to 13, 26 and 52 weeks, 1 to 3 years). Others are rounded."""
_PER_MONTH = {
    "day": Fraction(365, 12),
    "week": Fraction(365, 84),
    "month": Fraction(1),
    "year": Fraction(1, 12),
}


@dataclass(frozen=True, slots=True)
class Recurring:
    """What subscriptions of one currency and rhythm bring in a period, in minor units."""

    currency: str
    interval: str
    interval_count: int
    amount_minor: int


def monthly_recurring(amounts: Iterable[Recurring]) -> tuple[Money, ...]:
    """Each currency's sum by month: a year counts a twelfth, a week 365/84. Rounded once, at the end."""
    return tuple(Money(half_up(exact), currency) for currency, exact in exact_recurring(amounts).items())


def exact_recurring(amounts: Iterable[Recurring]) -> dict[str, Fraction]:
    """The same in minor units before they are rounded, currencies in alphabetical order."""
    sums: dict[str, Fraction] = {}
    for each in amounts:
        factor = _PER_MONTH.get(each.interval, Fraction(0)) / max(each.interval_count, 1)
        sums[each.currency] = sums.get(each.currency, Fraction(0)) + each.amount_minor * factor
    return dict(sorted(sums.items()))


def half_up(exact: Fraction) -> int:
    """Whole minor units; a half counts away from zero."""
    ratio = Decimal(exact.numerator) / Decimal(exact.denominator)
    return int(ratio.quantize(Decimal(1), ROUND_HALF_UP))
