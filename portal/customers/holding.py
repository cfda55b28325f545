"""Customers held still, with everything that is theirs, while something is done to them as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from portal.database.transaction import Connection
from portal.errors import NotFound

LOCKED = (("customer_link", "customer"), ("subscription", "customer"), ("invoice", "customer"))
"""In this order while customers merge: readings lock links first, and write what is owed afterwards."""
KEYS = (
    *LOCKED,
    ("subscription_order", "customer"),
    ("customer_apart", "customer"),
    ("customer_apart", "other"),
    ("customer", "merged_into"),
    ("customer_link", "unlinked_from"),
)
"""Every key that names a customer."""


async def hold_customers(held: Connection, ids: Sequence[int]) -> dict[int, Any]:
    """Lock them for good, their rows first, as readings and payments do it; their columns by id.

    Whoever adds something to one of them meanwhile waits, and then finds what became of the customer.

    Raises:
        NotFound: one of them does not exist.
    """
    for table, column in LOCKED:
        await held.execute(
            f"SELECT FROM {table} WHERE {column} = ANY ($1::bigint[]) ORDER BY id FOR UPDATE",
            ids,
        )
    rows = await held.fetch(
        "SELECT * FROM customer WHERE id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE", ids
    )
    if len(rows) < len(set(ids)):
        raise NotFound("There is no such customer.")
    return {row["id"]: row for row in rows}
