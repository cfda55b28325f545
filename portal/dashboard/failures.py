"""What failed to be paid and what was recovered of it week by week, as pictures: one for each currency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal.dashboard.months import MOST_CHARTS
from portal.dashboard.rules import by_use, failure_summary, weeks_before
from portal.database.transaction import connection
from portal.money import Money
from portal.web.charts import Chart, Series
from portal.web.formats import show_short_money

WEEKS = 12
# Ended by the provider for another attempt: nobody refused to pay.
REFUSED = "state = 'failed' AND code <> 'superseded'"
# An invoice that is tried several times in a week failed once in it: it is owed once.
FAILED = f"""
SELECT currency, week, sum(amount_minor)::bigint AS amount_minor
  FROM (SELECT currency, date_trunc('week', occurred_at AT TIME ZONE $2)::date AS week, invoice,
               max(amount_minor) AS amount_minor
          FROM payment_attempt
         WHERE mode = $1 AND {REFUSED} AND occurred_at >= $3::date::timestamp AT TIME ZONE $2
           AND occurred_at < ($4::date + interval '1 week') AT TIME ZONE $2
         GROUP BY 1, 2, 3) i
 GROUP BY 1, 2
"""  # noqa: S608 - a constant
# Paid in full after a failure of the year before. What came in before the first of them was not recovered. A
# day is all that people say of money outside: it came when they said it.
RECOVERED = f"""
SELECT i.currency, date_trunc('week', i.paid_at AT TIME ZONE $2)::date AS week,
       sum(p.amount_minor)::bigint AS amount_minor
  FROM (SELECT invoice, min(occurred_at) AS first_at FROM payment_attempt
         WHERE mode = $1 AND {REFUSED}
           AND occurred_at >= ($3::date - interval '1 year') AT TIME ZONE $2
         GROUP BY 1) f
  JOIN invoice i ON i.id = f.invoice AND i.paid_at >= f.first_at
  JOIN payment p ON p.invoice = i.id AND p.kind IN ('payment', 'offline')
   AND CASE p.kind WHEN 'offline' THEN p.recorded_at ELSE p.occurred_at END >= f.first_at
 WHERE i.mode = $1 AND i.paid_at >= $3::date::timestamp AT TIME ZONE $2
   AND i.paid_at < ($4::date + interval '1 week') AT TIME ZONE $2
 GROUP BY 1, 2
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class Failures:
    """One currency: the Monday of each week, what failed in it and what was recovered in it."""

    currency: str
    by_week: tuple[tuple[date, int, int], ...]

    def chart(self) -> Chart:
        """The picture, its sentence and its table."""
        return Chart(
            id=f"failures-{self.currency}",
            title=f"Failed and recovered by week in {self.currency.upper()}",
            summary=failure_summary(self.currency, self.by_week),
            labels=tuple(f"{week:%-d %b}" for week, *_ in self.by_week),
            series=(
                Series("Failed", tuple(failed for _, failed, _ in self.by_week), "bad"),
                Series("Recovered", tuple(recovered for *_, recovered in self.by_week), "ok"),
            ),
            show=lambda amount: Money(amount, self.currency).format(),
            show_short=lambda amount: show_short_money(Money(amount, self.currency)),
            beside=True,
            named=WEEKS // 2,
        )


async def read_failures(mode: str, today: date, *, zone: str, currency: str) -> list[Failures]:
    """The last twelve weeks of one mode, the default currency first; nothing where nothing failed.

    A week begins on Monday where the organisation is. Money of other modes and currencies is never added in.
    """
    weeks = weeks_before(today, WEEKS)
    async with connection() as held:
        failed = await held.fetch(FAILED, mode, zone, weeks[0], weeks[-1])
        recovered = await held.fetch(RECOVERED, mode, zone, weeks[0], weeks[-1])
    found: dict[str, dict[date, list[int]]] = {}
    for place, rows in enumerate((failed, recovered)):
        for row in rows:
            sums = found.setdefault(row["currency"], {}).setdefault(row["week"], [0, 0])
            sums[place] = row["amount_minor"]
    order = by_use({each: len(sums) for each, sums in found.items()}, currency, MOST_CHARTS)
    return [_failures(each, weeks, found[each]) for each in order]


def _failures(currency: str, weeks: list[date], sums: dict[date, list[int]]) -> Failures:
    return Failures(currency, tuple((week, *(sums.get(week) or (0, 0))) for week in weeks))
