"""How a provider's customers are tied to ours: by our own metadata, never by a guess."""

from __future__ import annotations

from portal.contract.facts import CustomerSeen, Mode
from portal.database.transaction import Connection


async def apply_customer_seen(held: Connection, account_id: int, mode: Mode, fact: CustomerSeen) -> str:
    """Store or refresh the link inside the caller's transaction; returns what changed, as a sentence.

    A customer of ours has one living link: another of the provider's that claims it is noted without one.
    """
    row = await held.fetchrow(
        """
        INSERT INTO customer_link AS old (account, mode, external_id, customer, name, email, deleted, seen_at)
        VALUES ($1, $2, $3,
                (SELECT id FROM customer WHERE id = $4 AND NOT EXISTS (
                    SELECT FROM customer_link
                    WHERE account = $1 AND customer = $4 AND NOT deleted AND external_id <> $3)),
                $5, $6, $7, now())
        ON CONFLICT ON CONSTRAINT customer_link_external DO UPDATE
        SET customer = coalesce(old.customer, excluded.customer), deleted = old.deleted OR excluded.deleted,
            name = CASE WHEN excluded.deleted THEN old.name ELSE excluded.name END,
            email = CASE WHEN excluded.deleted THEN old.email ELSE excluded.email END,
            seen_at = excluded.seen_at
        RETURNING customer, deleted
        """,
        account_id,
        mode.value,
        fact.external_id,
        fact.customer_id,
        fact.name or "",
        fact.email or "",
        fact.deleted,
    )
    assert row is not None  # noqa: S101 - an upsert returns its row; this tells the type checker
    if row["deleted"]:
        return "The customer was deleted at the provider."
    return "Linked the customer." if row["customer"] else "Noted a customer that nobody here is linked to."
