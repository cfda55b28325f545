"""What was collected month by month, as pictures: one for each currency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from portal.dashboard.rules import by_use, month_label, month_summary, months_before
from portal.database.transaction import connection
from portal.money import Money
from portal.payments.rules import COLLECTED
from portal.web.charts import Chart, Series
from portal.web.formats import show_short_money

MONTHS = 12
MOST_CHARTS = 4
BY_MONTH = f"""
SELECT currency, date_trunc('month', occurred_at AT TIME ZONE $2)::date AS month,
       sum(amount_minor)::bigint AS amount_minor
  FROM payment
 WHERE mode = $1 AND {COLLECTED} AND occurred_at >= $3::date::timestamp AT TIME ZONE $2
   AND occurred_at < ($4::date + interval '1 month') AT TIME ZONE $2
 GROUP BY 1, 2
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class Collected:
    """The sums of one currency, the running month last. A month in which more went back is below zero."""

    currency: str
    by_month: tuple[tuple[date, int], ...]

    def chart(self) -> Chart:
        """The picture, its sentence and its table."""
        return Chart(
            id=f"collected-{self.currency}",
            title=f"Collected by month in {self.currency.upper()}",
            summary=month_summary(self.currency, self.by_month),
            labels=tuple(month_label(month) for month, _ in self.by_month),
            series=(Series("Collected", tuple(amount for _, amount in self.by_month)),),
            show=lambda amount: Money(amount, self.currency).format(),
            show_short=lambda amount: show_short_money(Money(amount, self.currency)),
        )


async def read_collected(mode: str, today: date, *, zone: str, currency: str) -> list[Collected]:
    """The last twelve months of one mode, the default currency first, then those with most months in use.

    A month begins where the organisation is. Money of other modes and currencies is never added in.
    """
    months = months_before(today, MONTHS)
    async with connection() as held:
        rows = await held.fetch(BY_MONTH, mode, zone, months[0], months[-1])
    found: dict[str, dict[date, int]] = {currency: {}}
    for row in rows:
        found.setdefault(row["currency"], {})[row["month"]] = row["amount_minor"]
    order = by_use({each: len(sums) for each, sums in found.items()}, currency, MOST_CHARTS)
    return [_collected(each, months, found[each]) for each in order]


def _collected(currency: str, months: list[date], sums: Mapping[date, int]) -> Collected:
    return Collected(currency, tuple((month, sums.get(month, 0)) for month in months))
