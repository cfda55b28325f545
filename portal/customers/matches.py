"""Who may be the same: proposed by the email address, decided by a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.contract.facts import Mode
from portal.contract.loading import provider_title
from portal.database.transaction import Connection

PROPOSED = 10
"""So many are shown; more with one address are no help to anybody."""


@dataclass(frozen=True, slots=True)
class LinkMatch:
    """A provider's customer whom nobody here knows, with the customer's email address."""

    link_id: int
    plugin: str
    account_id: int
    account_title: str
    mode: Mode
    external_id: str
    name: str
    email: str
    seen_at: datetime
    """When it was last read."""
    unlinked: bool = False
    """Somebody took the two apart: what was owed before is our customer's."""

    @property
    def provider(self) -> str:
        """`Stripe`."""
        return provider_title(self.plugin)


@dataclass(frozen=True, slots=True)
class TwinMatch:
    """Another customer of ours with the same email address."""

    id: int
    name: str
    email: str
    created_at: datetime
    invoices: int
    linked_to: tuple[str, ...]
    """The provider's ids of it."""


@dataclass(frozen=True, slots=True)
class Matches:
    """What is proposed for a customer."""

    links: tuple[LinkMatch, ...]
    twins: tuple[TwinMatch, ...]

    def rivals(self, match: LinkMatch) -> int:
        """How many customers of the same connection have the address: with more than one nobody can tell."""
        return sum(other.account_id == match.account_id for other in self.links)


async def matches_of(held: Connection, customer_id: int) -> Matches:
    """The proposals for a customer that is neither merged nor erased; none without an email address."""
    links = await held.fetch(_LINKS, customer_id, PROPOSED)
    twins = await held.fetch(_TWINS, customer_id, PROPOSED)
    return Matches(
        tuple(_link(row) for row in links),
        tuple(TwinMatch(**{**dict(row), "linked_to": tuple(row["linked_to"])}) for row in twins),
    )


def _link(row: Any) -> LinkMatch:
    return LinkMatch(**{**dict(row), "mode": Mode(row["mode"])})


UNDECIDED = """
    l.customer IS NULL AND NOT l.deleted AND l.email <> '' AND lower(l.email) = lower(c.email)
    AND NOT EXISTS (SELECT FROM customer_link o
                    WHERE o.account = l.account AND o.customer = c.id AND NOT o.deleted)
    AND NOT EXISTS (SELECT FROM customer_apart p WHERE p.customer = c.id AND p.link = l.id)
    AND EXISTS (SELECT FROM connected_account a WHERE a.id = l.account AND a.state <> 'disconnected')
"""
"""Whether the provider's customer `l` is proposed for our customer `c`."""
SEVERAL = f"""EXISTS (
    SELECT FROM customer_link l WHERE {UNDECIDED} GROUP BY l.account HAVING count(*) > 1)
"""
"""Whether one connection has several customers who may be `c`."""
_LINKS = f"""
SELECT l.id AS link_id, a.plugin, a.id AS account_id, a.title AS account_title, l.mode, l.external_id,
       l.name, l.email, l.seen_at, coalesce(l.unlinked_from = c.id, false) AS unlinked
FROM customer c JOIN customer_link l ON lower(l.email) = lower(c.email)
     JOIN connected_account a ON a.id = l.account
WHERE c.id = $1 AND c.merged_into IS NULL AND c.erased_at IS NULL AND {UNDECIDED}
ORDER BY a.id, l.id LIMIT $2
"""  # noqa: S608 - a fragment of ours
_TWINS = """
SELECT t.id, t.name, t.email, t.created_at,
       (SELECT count(*) FROM invoice WHERE customer = t.id) AS invoices,
       ARRAY(SELECT external_id FROM customer_link WHERE customer = t.id AND NOT deleted ORDER BY id)
       AS linked_to
FROM customer c JOIN customer t ON lower(t.email) = lower(c.email) AND t.id <> c.id
WHERE c.id = $1 AND c.email <> '' AND c.merged_into IS NULL AND c.erased_at IS NULL
      AND t.merged_into IS NULL AND t.erased_at IS NULL
      AND NOT EXISTS (SELECT FROM customer_apart p
                      WHERE (p.customer, p.other) IN ((c.id, t.id), (t.id, c.id)))
      -- Two whom one connection has apart are two there as well.
      AND NOT EXISTS (SELECT FROM customer_link m JOIN customer_link o ON o.account = m.account
                      WHERE m.customer = c.id AND o.customer = t.id AND NOT m.deleted AND NOT o.deleted)
ORDER BY t.id LIMIT $2
"""
