"""What a provider does not know of a customer yet."""

from __future__ import annotations

from portal.contract.orders import CustomerChanges
from portal.database.transaction import connection


async def customer_changes(account_id: int, customer_id: int) -> CustomerChanges | None:
    """The fields that were changed here since both sides agreed.

    None: the provider has no such customer, or the data of it were erased here. A field with an open
    difference is left out: there, somebody has to choose first.
    """
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT l.external_id, l.name AS known_name, l.email AS known_email, c.name, c.email,
                   ARRAY(SELECT field FROM sync_difference d
                         WHERE d.account = l.account AND d.external_id = l.external_id AND d.state = 'open')
                   AS disputed
            FROM customer_link l JOIN customer c ON c.id = l.customer
            WHERE l.account = $1 AND l.customer = $2 AND NOT l.deleted AND c.erased_at IS NULL
            """,
            account_id,
            customer_id,
        )
    if row is None:
        return None
    changed = {
        field: row[field]
        for field in ("name", "email")
        if row[field] != row[f"known_{field}"] and field not in row["disputed"]
    }
    return CustomerChanges(row["external_id"], changed)


async def note_sending(account_id: int, changes: CustomerChanges) -> None:
    """Remember what is about to be sent: when it is seen there, it was not somebody else who wrote it."""
    async with connection() as held:
        await held.execute(
            """
            UPDATE customer_link
            SET sent_name = coalesce($3, sent_name), sent_email = coalesce($4, sent_email)
            WHERE account = $1 AND external_id = $2
            """,
            account_id,
            changes.external_id,
            changes.fields.get("name"),
            changes.fields.get("email"),
        )
