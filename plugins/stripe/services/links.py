"""Which of Stripe's invoices and payment intents belong to which of ours."""

from __future__ import annotations

import json
from dataclasses import dataclass

from plugins.stripe.domain.invoices import InvoiceReading, Raw
from portal.sdk import Account, Connection, connection


@dataclass(frozen=True, slots=True)
class Link:
    """One of Stripe's invoices and the portal's invoice that it is a copy of."""

    invoice_id: int
    stripe_invoice: str


async def find_link(account_id: int, external_id: str) -> Link | None:
    """The link of an invoice's or payment intent's id."""
    async with connection() as held:
        row = await held.fetchrow(
            "SELECT invoice, invoice_external_id FROM stripe_link WHERE account = $1 AND external_id = $2",
            account_id,
            external_id,
        )
    return Link(row["invoice"], row["invoice_external_id"]) if row else None


async def linked_ids(account_id: int, stripe_invoice: str) -> tuple[str, ...]:
    """The invoice's id and the ids of its payment intents."""
    async with connection() as held:
        rows = await held.fetch(
            "SELECT external_id FROM stripe_link WHERE account = $1 AND invoice_external_id = $2",
            account_id,
            stripe_invoice,
        )
    return (stripe_invoice, *(row["external_id"] for row in rows if row["external_id"] != stripe_invoice))


async def portal_invoice_of(portal_key: str | None) -> int | None:
    """Our invoice's id when the metadata names one of this installation, not one of a clone's."""
    instance, _, number = (portal_key or "").rpartition(":")
    if not instance or not number.isdecimal():
        return None
    async with connection() as held:
        found: int | None = await held.fetchval(
            """
            SELECT i.id FROM invoice i, organisation o
            WHERE o.instance_id::text = $1 AND i.id = $2
            """,
            instance,
            int(number),
        )
    return found


async def save_links(held: Connection, account: Account, invoice_id: int, reading: InvoiceReading) -> None:
    """Store the ids of a reading inside the caller's transaction; what is known stays as it is."""
    ids = [("invoice", reading.id), *(("payment_intent", intent) for intent in reading.intents)]
    await held.executemany(
        """
        INSERT INTO stripe_link (account, mode, kind, external_id, invoice, invoice_external_id)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT ON CONSTRAINT stripe_link_once DO NOTHING
        """,
        [(account.id, account.mode.value, kind, found, invoice_id, reading.id) for kind, found in ids],
    )


async def save_mirror(held: Connection, account: Account, raw: Raw) -> None:
    """Keep the raw JSON that was last read of an object."""
    await held.execute(
        """
        INSERT INTO stripe_object (account, mode, kind, external_id, last_read, deleted, read_at)
        VALUES ($1, $2, $3, $4, $5::jsonb, $6, now())
        ON CONFLICT ON CONSTRAINT stripe_object_once DO UPDATE
        SET last_read = excluded.last_read, deleted = excluded.deleted, read_at = excluded.read_at
        """,
        account.id,
        account.mode.value,
        str(raw["object"]),
        str(raw["id"]),
        json.dumps(_without_secrets(raw)),
        bool(raw.get("deleted", False)),
    )


def _without_secrets(raw: Raw) -> Raw:
    """The same object without client secrets, which must not be stored."""
    return {key: _clean(value) for key, value in raw.items() if not key.endswith("client_secret")}


def _clean(value: object) -> object:
    if isinstance(value, dict):
        return _without_secrets(value)
    return [_clean(entry) for entry in value] if isinstance(value, list) else value
