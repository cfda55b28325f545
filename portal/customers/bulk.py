"""Many of a provider's customers at once: which say nothing new, and those that nobody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portal.audit.sources import Source
from portal.contract.facts import CustomerSeen
from portal.customers.rules import Field, Verdict, compare
from portal.database.transaction import Connection


async def known_links(held: Connection, source: Source, facts: Sequence[CustomerSeen]) -> dict[str, Any]:
    """The links of these customers by the provider's ids, each with what our customer is called."""
    if not facts:
        return {}
    rows = await held.fetch(
        """
        SELECT l.external_id, l.customer, l.unlinked_from, l.name, l.email, l.sent_name, l.sent_email,
               l.deleted, c.name AS our_name, c.email AS our_email, c.erased_at IS NOT NULL AS erased
        FROM unnest($2::text[]) AS wanted(id)
             CROSS JOIN LATERAL (SELECT * FROM customer_link
                                 WHERE account = $1 AND external_id = wanted.id LIMIT 1) AS l
             LEFT JOIN LATERAL (SELECT name, email, erased_at FROM customer
                                WHERE id = l.customer LIMIT 1) AS c ON true
        """,
        source.account_id,
        [fact.external_id for fact in facts],
    )
    return {row["external_id"]: row for row in rows}


def says_nothing_new(link: Mapping[str, Any], fact: CustomerSeen) -> bool:
    """Whether the link stands as the fact says, and nobody has to decide about it."""
    if link["deleted"] or fact.deleted:
        return bool(link["deleted"])
    if link["erased"]:
        return True
    if link["customer"] is None:
        claims = fact.customer_id is not None and link["unlinked_from"] is None
        return not claims and (link["name"], link["email"]) == (fact.name or "", fact.email or "")
    says = {"email": fact.email or ""} | ({"name": fact.name} if fact.name else {})
    return all(_is_calm(link, name, theirs) for name, theirs in says.items())


def _is_calm(link: Mapping[str, Any], name: str, theirs: str) -> bool:
    agreed, sent, ours = link[name], link[f"sent_{name}"], link[f"our_{name}"]
    verdict = compare(Field(theirs if sent == theirs else agreed, ours, theirs))
    if verdict is Verdict.IN_STEP:
        return bool(agreed == theirs and sent is None)
    return verdict is Verdict.OURS_IS_ON_ITS_WAY


async def add_links(held: Connection, source: Source, facts: Sequence[CustomerSeen]) -> frozenset[str]:
    """Note customers that nobody knows, and that do not claim to be one of ours.

    Returns the provider's ids of those whom something that they owe did not bring meanwhile.
    """
    if not facts:
        return frozenset()
    added = await held.fetch(
        """
        INSERT INTO customer_link (account, mode, external_id, name, email, deleted, seen_at)
        SELECT $1, $2, external_id, name, email, deleted, now()
        FROM unnest($3::text[], $4::text[], $5::text[], $6::boolean[]) AS n(external_id, name, email, deleted)
        ORDER BY external_id
        ON CONFLICT ON CONSTRAINT customer_link_external DO NOTHING RETURNING external_id
        """,
        source.account_id,
        source.mode.value,
        [fact.external_id for fact in facts],
        [fact.name or "" for fact in facts],
        [fact.email or "" for fact in facts],
        [fact.deleted for fact in facts],
    )
    return frozenset(row["external_id"] for row in added)
