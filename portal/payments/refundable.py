"""What of an invoice's payments can still go back to the customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.database.transaction import Connection
from portal.money import Money


@dataclass(frozen=True, slots=True)
class Refundable:
    """A payment that a provider holds, and what of it may be refunded (never below nothing)."""

    external_id: str
    method: str | None
    occurred_at: datetime
    amount: Money
    left: Money


async def refundable_payments(held: Connection, invoice_id: int) -> list[Refundable]:
    """Each payment that a provider holds, the newest first, also those of which nothing is left.

    Refunds that are asked for or under way count, and so does what a bank took back in a dispute: all of it
    where nobody says how much that is in the payment's currency. Hold the invoice's row when it must stay so.
    """
    rows = await held.fetch(_PAYMENTS, invoice_id)
    return [
        Refundable(
            row["external_id"],
            row["method"],
            row["occurred_at"],
            Money(row["amount_minor"], row["currency"]),
            Money(max(row["left_minor"], 0), row["currency"]),
        )
        for row in rows
    ]


async def refundable_of(held: Connection, invoice_id: int, payment_external_id: str) -> Money | None:
    """What may still be refunded of one payment; None: no provider holds it. Lock the invoice before."""
    payments = await refundable_payments(held, invoice_id)
    return next((payment.left for payment in payments if payment.external_id == payment_external_id), None)


# What a bank returned and then paid after all is the same payment, though the ledger has a row for each step.
_PAYMENTS = """
SELECT p.external_id, p.method, p.occurred_at, p.amount_minor, p.currency,
       p.amount_minor
       - (SELECT coalesce(sum(r.amount_minor), 0) FROM refund r
          WHERE r.invoice = p.invoice AND r.payment_external_id = p.external_id
            AND r.status IN ('requested', 'pending', 'requires_action', 'succeeded'))::bigint
       - (SELECT coalesce(sum(coalesce(
              (SELECT -sum(q.amount_minor) FROM payment q
               WHERE q.invoice = d.invoice AND q.kind = 'dispute'
                 AND (q.external_id = d.external_id
                      OR starts_with(q.external_id, d.external_id || ':'))), p.amount_minor)), 0)
          FROM dispute d
          WHERE d.invoice = p.invoice AND d.payment_external_id = p.external_id
            AND d.withdrawn)::bigint AS left_minor
FROM payment p
WHERE p.invoice = $1 AND p.kind = 'payment' AND p.account IS NOT NULL AND p.amount_minor > 0
  AND NOT EXISTS (SELECT FROM dispute d WHERE d.invoice = p.invoice
                  AND starts_with(p.external_id, d.external_id || ':'))
ORDER BY p.occurred_at DESC, p.id DESC
"""
