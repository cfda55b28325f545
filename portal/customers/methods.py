"""Saved methods of a provider's customers."""

from __future__ import annotations

from portal.audit.sources import Source
from portal.contract.facts import PaymentMethodSeen
from portal.customers.facts import was_erased
from portal.database.transaction import Connection


async def apply_method_seen(held: Connection, source: Source, fact: PaymentMethodSeen) -> str:
    """Keep the method as it stands, inside the caller's transaction; returns what changed, as a sentence."""
    if await _is_erased(held, source, fact):
        return ""
    before = await held.fetchrow(
        """
        SELECT customer_external_id, blocked FROM payment_method WHERE account = $1 AND external_id = $2
        FOR UPDATE
        """,
        source.account_id,
        fact.external_id,
    )
    changed = await held.fetchval(
        """
        INSERT INTO payment_method AS old (account, mode, external_id, customer_external_id, kind, words,
                                           expires_month, expires_year, blocked, seen_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())
        ON CONFLICT ON CONSTRAINT payment_method_once DO UPDATE
        SET customer_external_id = excluded.customer_external_id, kind = excluded.kind,
            words = excluded.words, expires_month = excluded.expires_month,
            expires_year = excluded.expires_year, blocked = excluded.blocked, seen_at = excluded.seen_at
        WHERE (old.customer_external_id, old.kind, old.words, old.expires_month, old.expires_year,
               old.blocked)
              IS DISTINCT FROM (excluded.customer_external_id, excluded.kind, excluded.words,
                                excluded.expires_month, excluded.expires_year, excluded.blocked)
        RETURNING id
        """,
        source.account_id,
        source.mode.value,
        fact.external_id,
        fact.customer_external_id,
        fact.kind,
        fact.words,
        fact.expires_month,
        fact.expires_year,
        fact.blocked,
    )
    if changed is None:
        return ""
    if fact.customer_external_id is None:
        return f"{fact.words} was removed."
    if fact.blocked and (before is None or before["blocked"] != fact.blocked):
        return f"{fact.words} cannot be used any more: {fact.blocked}"
    return f"{fact.words} was saved." if before is None else f"{fact.words} changed."


async def _is_erased(held: Connection, source: Source, fact: PaymentMethodSeen) -> bool:
    """Whether it is of somebody whose personal data were erased; the link is locked, so that it stays so."""
    customer_id = await held.fetchval(
        "SELECT customer FROM customer_link WHERE account = $1 AND external_id = $2 FOR SHARE",
        source.account_id,
        fact.customer_external_id,
    )
    return await was_erased(held, customer_id)
