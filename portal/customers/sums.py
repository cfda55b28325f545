"""What a customer owes and has paid, summed by currency from the invoices, never kept beside them."""

from __future__ import annotations

from collections.abc import Sequence

from portal.money import Money
from portal.payments.rules import COLLECTED

SUMS = f"""
    SELECT coalesce(array_agg(o.currency ORDER BY o.currency), '{{}}') AS currencies,
           coalesce(array_agg(o.owed ORDER BY o.currency), '{{}}') AS owed,
           coalesce(array_agg(o.paid ORDER BY o.currency), '{{}}') AS paid
    FROM (
        SELECT i.currency,
               coalesce(sum(i.total_minor - i.amount_paid_minor - i.amount_returned_minor)
                        FILTER (WHERE i.status IN ('open', 'processing', 'partly_paid')), 0)::bigint AS owed,
               sum(greatest(i.amount_paid_minor - credited.minor, 0))::bigint AS paid
        FROM invoice i CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount_minor), 0) AS minor FROM payment
            WHERE invoice = i.id AND NOT {COLLECTED}) credited
        WHERE i.customer = c.id AND i.mode = $2 GROUP BY i.currency
    ) o
"""  # noqa: S608 - a constant
"""Of the customer `c` in the mode $2. What was refunded, lost in a dispute or credited is not paid, and what
the provider settled with credit was paid before, or never."""


def amounts(currencies: Sequence[str], minor: Sequence[int]) -> tuple[Money, ...]:
    """One amount for each currency, without those of nothing."""
    return tuple(Money(int(sum_), of) for of, sum_ in zip(currencies, minor, strict=True) if sum_)
