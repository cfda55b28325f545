"""The plans that a subscription can be changed to: sold now, recurring, of its account, mode and currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.database.transaction import Connection
from portal.money import Money
from portal.subscriptions.plan_rules import PlanOffer
from portal.subscriptions.plans import IS_SOLD

MOST_OFFERED = 200


async def plan_offers(held: Connection, subscription_id: int) -> list[PlanOffer]:
    """Its own plan first, whether that is still sold or not; then the others by name."""
    return [_offer(row) for row in await held.fetch(_OFFERS, subscription_id, MOST_OFFERED, None)]


async def find_offer(held: Connection, subscription_id: int, plan_external_id: str) -> PlanOffer | None:
    """One of them; None: it cannot be chosen (any more)."""
    row = await held.fetchrow(_OFFERS, subscription_id, 1, plan_external_id)
    return None if row is None else _offer(row)


def _offer(row: Mapping[str, Any]) -> PlanOffer:
    unit = None if row["amount_minor"] is None else Money(row["amount_minor"], row["currency"])
    return PlanOffer(
        row["external_id"],
        row["name"],
        row["words"],
        unit,
        row["interval"],
        row["interval_count"],
        by_use=row["metered"],
    )


_OFFERS = f"""
SELECT p.external_id, p.words, p.amount_minor, p.currency, p.interval, p.interval_count, p.metered,
       coalesce(nullif(d.name, ''), nullif(p.words, ''), p.external_id) AS name
FROM subscription s
JOIN plan p ON p.account = s.account AND p.mode = s.mode AND p.currency = s.currency
LEFT JOIN product d ON d.account = p.account AND d.external_id = p.product_external_id
WHERE s.id = $1 AND p.interval <> '' AND ({IS_SOLD} OR p.external_id = s.plan_external_id)
      AND ($3::text IS NULL OR p.external_id = $3)
ORDER BY p.external_id <> s.plan_external_id, name, p.amount_minor, p.id LIMIT $2
"""  # noqa: S608 - a fragment of ours
