"""Whom an invoice may be written to."""

from __future__ import annotations

from portal.database.transaction import connection
from portal.web.keysets import prefix_range

OPTIONS_SHOWN = 200


async def customer_options(search: str = "", *, chosen: int | None = None) -> list[tuple[int, str]]:
    """Ids and names for a select: whose name or address starts with the search, and the chosen one."""
    async with connection() as held:
        rows = await held.fetch(_OPTIONS, *prefix_range(search), OPTIONS_SHOWN, chosen)
    return [
        (row["id"], f"{row['name']} · {row['email']}" if row["email"] else str(row["name"])) for row in rows
    ]


async def customer_exists(customer_id: int) -> bool:
    """Whether there is such a customer, neither merged into another one nor erased."""
    async with connection() as held:
        return bool(
            await held.fetchval(
                """
                SELECT EXISTS (SELECT FROM customer
                               WHERE id = $1 AND merged_into IS NULL AND erased_at IS NULL)
                """,
                customer_id,
            )
        )


_OPTIONS = """
(SELECT id, name, email FROM customer WHERE id = $4)
UNION (SELECT id, name, email FROM customer
       WHERE lower(name) ~>=~ $1 AND lower(name) ~<~ $2 AND merged_into IS NULL AND erased_at IS NULL
       ORDER BY lower(name) USING ~<~, id LIMIT $3)
UNION (SELECT id, name, email FROM customer
       WHERE $1 <> '' AND lower(email) ~>=~ $1 AND lower(email) ~<~ $2 AND merged_into IS NULL
             AND erased_at IS NULL
       ORDER BY lower(email) USING ~<~, id LIMIT $3)
ORDER BY name, id
"""
