"""The customer of ours behind a provider's customer: found by its link, or made. Never guessed by a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from portal.audit.sources import Source
from portal.database.transaction import Connection


@dataclass(frozen=True, slots=True)
class ProviderCustomer:
    """A provider's customer, as something that it owes or subscribed to describes it."""

    external_id: str
    name: str
    email: str

    @property
    def title(self) -> str:
        """What to call a customer of ours that is made from it."""
        return self.name or self.email or self.external_id


async def customers_of(
    held: Connection, source: Source, wanted: Iterable[ProviderCustomer]
) -> dict[str, int]:
    """Our customers' ids by the provider's ids. Who has no link gets one, to a customer made for it.

    Somebody of ours with the same email address stays apart: people may merge the two, nobody guesses.
    """
    by_id = {customer.external_id: customer for customer in wanted}
    found = await _linked(held, source, by_id)
    missing = [by_id[external_id] for external_id in sorted(by_id.keys() - found.keys())]
    if missing:
        found |= await _make(held, source, missing)
    return found


async def _linked(held: Connection, source: Source, wanted: Mapping[str, ProviderCustomer]) -> dict[str, int]:
    rows = await held.fetch(
        """
        SELECT external_id, customer FROM customer_link
        WHERE account = $1 AND external_id = ANY($2::text[]) AND customer IS NOT NULL
        """,
        source.account_id,
        list(wanted),
    )
    return {row["external_id"]: row["customer"] for row in rows}


async def _make(held: Connection, source: Source, missing: list[ProviderCustomer]) -> dict[str, int]:
    """Take the links first, in one order: of two who need the same customer the second finds it made."""
    ids = [customer.external_id for customer in missing]
    await held.execute(
        """
        INSERT INTO customer_link (account, mode, external_id, name, email, seen_at)
        SELECT $1, $2, external_id, name, email, now()
        FROM unnest($3::text[], $4::text[], $5::text[]) AS n(external_id, name, email)
        ON CONFLICT ON CONSTRAINT customer_link_external DO NOTHING
        """,
        source.account_id,
        source.mode.value,
        ids,
        [customer.name for customer in missing],
        [customer.email for customer in missing],
    )
    links = await held.fetch(
        """
        SELECT id, external_id, customer, name, email FROM customer_link
        WHERE account = $1 AND external_id = ANY($2::text[]) ORDER BY external_id FOR UPDATE
        """,
        source.account_id,
        ids,
    )
    found = {row["external_id"]: row["customer"] for row in links if row["customer"] is not None}
    # The link's words are the ones that both sides are compared with: an invoice keeps the name of its day.
    fresh = {
        row["id"]: ProviderCustomer(row["external_id"], row["name"], row["email"])
        for row in links
        if row["customer"] is None
    }
    return found | await _add(held, source, fresh)


async def _add(held: Connection, source: Source, missing: Mapping[int, ProviderCustomer]) -> dict[str, int]:
    rows = await held.fetch(
        """
        WITH fresh AS (
            SELECT link, name, email, nextval(pg_get_serial_sequence('customer', 'id')) AS id
            FROM unnest($1::bigint[], $2::text[], $3::text[]) AS n(link, name, email)
        ), added AS (
            INSERT INTO customer (id, name, email, created_at, updated_at)
            SELECT id, name, email, now(), now() FROM fresh
        )
        UPDATE customer_link l SET customer = fresh.id FROM fresh
        WHERE l.id = ANY($1::bigint[]) AND l.id = fresh.link
        RETURNING l.external_id, fresh.id
        """,
        list(missing),
        [customer.title for customer in missing.values()],
        [customer.email for customer in missing.values()],
    )
    for row in rows:
        words = f"Added the customer, whom {source.actor.name} has."
        source.note(("customer.created", words), ("customer", row["id"]), {"external_id": row["external_id"]})
    return {row["external_id"]: row["id"] for row in rows}
