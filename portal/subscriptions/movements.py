"""What recurs at the end of each month, and what moved it: read from the changes of subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import accumulate

from portal.database.transaction import connection
from portal.subscriptions.recurring import BY_RHYTHM
from portal.subscriptions.rules import PARTS, RECURRING, Recurring, exact_recurring, half_up

KINDS = ("new", "expansion", "reactivation", "contraction", "churn")
"""What adds to the sum first, then what takes off it."""
MOVED = """
SELECT currency, kind, date_trunc('month', at AT TIME ZONE $2)::date AS month,
       sum(after_parts - before_parts) AS parts
  FROM recurring_change
 WHERE mode = $1 AND at >= $3::date::timestamp AT TIME ZONE $2
 GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Moved:
    """What the changes of one kind added in a month: below zero for contraction and churn."""

    kind: str
    month: date
    parts: int


@dataclass(frozen=True, slots=True)
class Movements:
    """One currency in minor units, month by month, the running one last."""

    currency: str
    recurring: tuple[int, ...]
    """At the end of each month; the last is what recurs now."""
    by_kind: Mapping[str, tuple[int, ...]]
    """Every kind, in the order of `KINDS`."""

    @property
    def months_in_use(self) -> int:
        """In how many of them anything recurred or moved."""
        return sum(map(any, zip(self.recurring, *self.by_kind.values(), strict=True)))


async def read_movements(mode: str, months: Sequence[date], *, zone: str) -> list[Movements]:
    """Each currency of one mode over months that follow one another, begin in `zone` and reach up to now."""
    async with connection() as held:
        rhythms = await held.fetch(BY_RHYTHM, mode, list(RECURRING))
        changes = await held.fetch(MOVED, mode, zone, months[0])
    now = exact_recurring(Recurring(**dict(row)) for row in rhythms)
    moved: dict[str, list[Moved]] = {currency: [] for currency in now}
    for row in changes:
        found = Moved(row["kind"], row["month"], int(row["parts"]))
        moved.setdefault(row["currency"], []).append(found)
    return [add_up(each, months, now.get(each, Fraction(0)), moved[each]) for each in sorted(moved)]


def add_up(currency: str, months: Sequence[date], now: Fraction, moved: Iterable[Moved]) -> Movements:
    """From what recurs now back: before a change it was so much less. Each sum is rounded once."""
    sums = {kind: dict.fromkeys(months, 0) for kind in KINDS}
    for each in moved:
        if each.month in sums[each.kind]:  # another month may have begun a moment ago
            sums[each.kind][each.month] += each.parts
    exact = {kind: [Fraction(parts, PARTS) for parts in by_month.values()] for kind, by_month in sums.items()}
    together = [sum(column, Fraction(0)) for column in zip(*exact.values(), strict=True)]
    ends = accumulate(reversed(together[1:]), lambda end, change: end - change, initial=now)
    return Movements(
        currency,
        tuple(half_up(end) for end in reversed(list(ends))),
        {kind: tuple(half_up(each) for each in of_kind) for kind, of_kind in exact.items()},
    )
