"""Failed payments of subscriptions by week, and what became of them, as pictures: one for each currency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal.dashboard.months import MOST_CHARTS
from portal.dashboard.rules import FailedWeek, by_use, failure_summary, weeks_before
from portal.database.transaction import connection
from portal.money import Money
from portal.web.charts import Chart, Series
from portal.web.formats import show_short_money

WEEKS = 12
# Ended by the provider for another attempt: nobody refused to pay.
REFUSED = "state = 'failed' AND code <> 'superseded'"
# An invoice counts whole and once, in the week of its first failure, as it stands today. One that was paid
# before an attempt failed was not to be recovered. What is under way may still come.
FATES = f"""
WITH failed AS (
    SELECT invoice, min(occurred_at) AS first_at, max(amount_minor) AS amount_minor FROM payment_attempt
     WHERE mode = $1 AND {REFUSED} AND occurred_at >= $3::date::timestamp AT TIME ZONE $2
       AND occurred_at < ($4::date + interval '1 week') AT TIME ZONE $2
     GROUP BY 1)
SELECT i.currency, date_trunc('week', f.first_at AT TIME ZONE $2)::date AS week,
       CASE WHEN i.status IN ('paid', 'refunded') THEN 'recovered'
            WHEN i.status IN ('void', 'uncollectible') THEN 'lost'
            WHEN i.status = 'processing' THEN 'open'
            WHEN s.status IN ('canceled', 'incomplete_expired', 'unpaid') THEN 'lost'
            ELSE 'open' END AS fate,
       sum(f.amount_minor)::bigint AS amount_minor
  FROM failed f JOIN invoice i ON i.id = f.invoice AND i.subscription_external_id IS NOT NULL
  LEFT JOIN subscription s ON s.account = i.account AND s.external_id = i.subscription_external_id
 WHERE (i.paid_at IS NULL OR i.paid_at >= f.first_at)
   AND NOT EXISTS (SELECT FROM payment_attempt e WHERE e.invoice = f.invoice AND e.{REFUSED}
                   AND e.occurred_at < $3::date::timestamp AT TIME ZONE $2)
 GROUP BY 1, 2, 3
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class Failures:
    """One currency: what first failed in each week, split by what became of it."""

    currency: str
    by_week: tuple[FailedWeek, ...]

    def chart(self) -> Chart:
        """The picture, its sentence and its table."""
        return Chart(
            id=f"failures-{self.currency}",
            title=f"Failed payments by week in {self.currency.upper()}",
            summary=failure_summary(self.currency, self.by_week),
            labels=tuple(f"{each.week:%-d %b}" for each in self.by_week),
            series=(
                Series("Recovered", tuple(each.recovered for each in self.by_week), "ok"),
                Series("Lost", tuple(each.lost for each in self.by_week), "bad"),
                Series("Still open", tuple(each.open for each in self.by_week), "warn"),
            ),
            show=lambda amount: Money(amount, self.currency).format(),
            show_short=lambda amount: show_short_money(Money(amount, self.currency)),
            named=WEEKS // 2,
        )


async def read_failures(mode: str, today: date, *, zone: str, currency: str) -> list[Failures]:
    """The last twelve weeks of one mode, the default currency first; nothing where nothing failed.

    A week begins on Monday where the organisation is. Money of other modes and currencies is never added in.
    """
    weeks = weeks_before(today, WEEKS)
    async with connection() as held:
        rows = await held.fetch(FATES, mode, zone, weeks[0], weeks[-1])
    found: dict[str, dict[date, dict[str, int]]] = {}
    for row in rows:
        week = found.setdefault(row["currency"], {}).setdefault(row["week"], {})
        week[row["fate"]] = row["amount_minor"]
    order = by_use({each: len(sums) for each, sums in found.items()}, currency, MOST_CHARTS)
    return [
        Failures(each, tuple(FailedWeek(week, **found[each].get(week, {})) for week in weeks))
        for each in order
    ]
