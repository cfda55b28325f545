"""What subscriptions bring every month, from their rows."""

from __future__ import annotations

from portal.database.transaction import connection
from portal.money import Money
from portal.subscriptions.rules import RECURRING, Recurring, monthly_recurring

BY_RHYTHM = """
SELECT currency, interval, interval_count, sum(amount_minor)::bigint AS amount_minor
  FROM subscription
 WHERE mode = $1 AND status = ANY($2) AND pause = '' AND amount_minor IS NOT NULL
 GROUP BY 1, 2, 3
"""


async def read_recurring(mode: str) -> tuple[Money, ...]:
    """The monthly recurring revenue of one mode by currency, before tax and discount; metered plans apart."""
    async with connection() as held:
        rows = await held.fetch(BY_RHYTHM, mode, list(RECURRING))
    return monthly_recurring(Recurring(**dict(row)) for row in rows)
