"""What is kept of the objects of a customer whose personal data were erased."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from plugins.stripe.domain.erasing import without_personal
from portal.sdk import Connection

BATCH = 500
KINDS = (
    "charge",
    "credit_note",
    "customer",
    "dispute",
    "invoice",
    "payment_intent",
    "payment_method",
    "refund",
    "subscription",
)
"""Kinds of kept objects that belong to a customer."""
IS_ERASED = """EXISTS (
    SELECT FROM customer_link l JOIN customer c ON c.id = coalesce(l.customer, l.unlinked_from)
    WHERE l.account = o.account AND c.erased_at IS NOT NULL AND l.external_id =
          CASE o.kind WHEN 'customer' THEN o.external_id
          ELSE coalesce(o.last_read->'customer'->>'id', o.last_read->>'customer') END)
    OR o.kind = 'dispute' AND EXISTS (
        SELECT FROM stripe_link k JOIN invoice i ON i.id = k.invoice JOIN customer c ON c.id = i.customer
        WHERE k.account = o.account AND k.external_id = o.last_read->>'payment_intent'
              AND c.erased_at IS NOT NULL)
"""
"""Whether the object `o` is of a customer of ours who was erased: for the statements that keep objects."""


async def erase_copies(held: Connection, account_id: int, external_ids: Sequence[str]) -> None:
    """Clean what is kept of these objects, and of the payments that are known by their invoices."""
    last = 0
    while rows := await held.fetch(_KEPT, account_id, list(external_ids), last, BATCH, KINDS):
        await clean(held, rows)
        last = rows[-1]["id"]


async def clean(held: Connection, rows: Sequence[Any]) -> None:
    """Write these rows of `stripe_object` again without personal data."""
    cleaned = [json.dumps(without_personal(_loaded(row["last_read"]))) for row in rows]
    await held.execute(
        """
        UPDATE stripe_object o SET last_read = n.body::jsonb
        FROM unnest($1::bigint[], $2::text[]) AS n(id, body) WHERE o.id = n.id
        """,
        [row["id"] for row in rows],
        cleaned,
    )


def _loaded(body: Any) -> Any:
    return json.loads(body) if isinstance(body, str) else body


_KEPT = """
SELECT o.id, o.last_read FROM stripe_object o
WHERE o.account = $1 AND o.id > $3
      AND o.kind = ANY ($5::text[])
      AND o.external_id = ANY ($2::text[] || ARRAY(
          SELECT external_id FROM stripe_link WHERE account = $1 AND invoice_external_id = ANY ($2)))
ORDER BY o.id LIMIT $4 FOR UPDATE
"""
