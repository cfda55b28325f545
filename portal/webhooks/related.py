"""The records of the portal that an event is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portal.database.transaction import connection
from portal.money import Money


@dataclass(frozen=True, slots=True)
class Related:
    """One record. `href` is empty when it has no page of its own."""

    kind: str
    """As a word: `Invoice`."""
    name: str
    note: str
    href: str


async def related_records(event_id: int, *, has_page: Callable[[str], bool]) -> list[Related]:
    """The object itself and what it belongs to; `has_page` tells whether there is a page below an address."""
    async with connection() as held:
        rows = await held.fetch(_RELATED, event_id)
    return [_related(row, has_page) for row in rows]


def _related(row: Any, has_page: Callable[[str], bool]) -> Related:
    amount = Money(row["minor"], row["currency"]).format() if row["minor"] is not None else ""
    note = ", ".join(word for word in (amount, row["status"].replace("_", " ")) if word)
    href = f"{row['path']}/{row['id']}" if row["path"] and has_page(row["path"]) else ""
    return Related(row["kind"], row["name"], note, href)


_RELATED = """
WITH event AS (
    SELECT account, object_id, array_remove(ARRAY[object_id, group_id], '') AS ids
    FROM webhook_event WHERE id = $1
), refunds AS (
    SELECT r.* FROM event e JOIN refund r ON r.account = e.account AND r.external_id = e.object_id
), disputes AS (
    SELECT d.* FROM event e JOIN dispute d ON d.account = e.account AND d.external_id = e.object_id
), subscriptions AS (
    SELECT s.* FROM event e JOIN subscription s ON s.account = e.account AND s.external_id = ANY(e.ids)
), invoices AS (
    SELECT i.* FROM event e JOIN invoice i ON i.account = e.account AND i.external_id = ANY(e.ids)
    UNION SELECT i.* FROM event e JOIN payment p ON p.account = e.account AND p.external_id = ANY(e.ids)
          JOIN invoice i ON i.id = p.invoice
    UNION SELECT i.* FROM event e
          JOIN payment_attempt t ON t.account = e.account AND t.external_id = ANY(e.ids)
          JOIN invoice i ON i.id = t.invoice
    UNION SELECT i.* FROM refunds r JOIN invoice i ON i.id = r.invoice
    UNION SELECT i.* FROM disputes d JOIN invoice i ON i.id = d.invoice
), customers AS (
    SELECT c.* FROM event e JOIN customer_link l ON l.account = e.account AND l.external_id = ANY(e.ids)
          JOIN customer c ON c.id = l.customer
    UNION SELECT c.* FROM invoices i JOIN customer c ON c.id = i.customer
    UNION SELECT c.* FROM subscriptions s JOIN customer c ON c.id = s.customer
)
(SELECT 1 AS place, 'Invoice' AS kind, id, coalesce(number, 'Draft ' || id) AS name, status,
        total_minor AS minor, currency, '/invoices' AS path FROM invoices LIMIT 5)
UNION ALL (SELECT 2, 'Refund', id, coalesce(external_id, 'Requested'), status, amount_minor, currency, ''
           FROM refunds LIMIT 5)
UNION ALL (SELECT 3, 'Dispute', id, external_id, status, amount_minor, currency, '' FROM disputes LIMIT 5)
UNION ALL (SELECT 4, 'Subscription', id, external_id, status, amount_minor, currency, '/subscriptions'
           FROM subscriptions LIMIT 5)
UNION ALL (SELECT 5, 'Customer', id, name, '', NULL, '', '/customers' FROM customers LIMIT 5)
ORDER BY place, id
"""
