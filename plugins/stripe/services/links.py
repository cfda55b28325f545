"""Which of Stripe's objects belong to which of ours, and what was last read of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from plugins.stripe.domain.invoices import InvoiceReading, Raw
from plugins.stripe.services.erasing import IS_ERASED, clean
from portal.sdk import Account, Connection, EventQuarantined, StoredEvent, connection


@dataclass(frozen=True, slots=True)
class Link:
    """One of Stripe's invoices and the portal's invoice that stands for the same debt."""

    invoice_id: int
    stripe_invoice: str
    made_here: bool = True
    """Ours was first, and Stripe's is its copy."""


async def find_link(account_id: int, external_id: str) -> Link | None:
    """The link of an invoice's or payment intent's id."""
    return (await find_links(account_id, [external_id])).get(external_id)


async def find_links(account_id: int, external_ids: Collection[str]) -> dict[str, Link]:
    """The links of these ids of invoices and payment intents."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT l.external_id, l.invoice, l.invoice_external_id, i.origin = 'portal' AS made_here
            FROM unnest($2::text[]) AS wanted(id)
                 CROSS JOIN LATERAL (SELECT * FROM stripe_link
                                     WHERE account = $1 AND external_id = wanted.id LIMIT 1) AS l
                 CROSS JOIN LATERAL (SELECT origin FROM invoice WHERE id = l.invoice LIMIT 1) AS i
            """,
            account_id,
            list(external_ids),
        )
    return {r["external_id"]: Link(r["invoice"], r["invoice_external_id"], r["made_here"]) for r in rows}


async def linked_ids(account_id: int, stripe_invoice: str) -> tuple[str, ...]:
    """The invoice's id and the ids of its payment intents."""
    return await group_of(account_id, stripe_invoice) or (stripe_invoice,)


async def group_of(account_id: int, external_id: str) -> tuple[str, ...]:
    """The invoice that this id of an invoice or payment intent leads to, then all such ids; or nothing."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT one.external_id, invoice_external_id AS root FROM stripe_link known
            JOIN stripe_link one USING (account, invoice_external_id)
            WHERE known.account = $1 AND known.external_id = $2
            """,
            account_id,
            external_id,
        )
    return tuple(dict.fromkeys([row["root"] for row in rows] + [row["external_id"] for row in rows]))


class Foreign(EventQuarantined):
    """The object belongs to another installation of the portal: nothing of it may change anything here."""


async def own_number(key: object) -> int | None:
    """The number in a key that this installation wrote into metadata; None: it is no such key.

    Raises:
        Foreign: another installation wrote it, perhaps one that was copied from this one.
    """
    part = _parted(key)
    if part is None:
        return None
    if part[0] != await _here():
        raise Foreign("It belongs to another installation of the portal, as its metadata say.")
    return part[1]


async def without_foreign(raws: Sequence[Raw], name: str) -> list[tuple[Raw, int | None]]:
    """The objects that are of no other installation, each with the number in its key of this name."""
    parts = [_parted((raw.get("metadata") or {}).get(name)) for raw in raws]
    here = await _here() if any(parts) else ""
    return [
        (raw, part[1] if part else None)
        for raw, part in zip(raws, parts, strict=True)
        if part is None or part[0] == here
    ]


async def _here() -> str:
    async with connection() as held:
        return str(await held.fetchval("SELECT instance_id FROM organisation"))


def _parted(key: object) -> tuple[str, int] | None:
    instance, _, number = (key if isinstance(key, str) else "").rpartition(":")
    return (instance, int(number)) if instance and number.isdecimal() and len(number) < 19 else None


async def portal_invoice_of(raw: Raw) -> int | None:
    """Our invoice that this one of Stripe's was made for, as its metadata say; None: it was made in Stripe.

    Who copies an invoice in Stripe copies its metadata: the one that we know is ours, the copy is not.

    Raises:
        EventQuarantined: another installation made it, or it was made for an invoice that is gone.
    """
    number = await own_number((raw.get("metadata") or {}).get("portal_invoice"))
    if number is None:
        return None
    async with connection() as held:
        row = await held.fetchrow("SELECT id, external_id FROM invoice WHERE id = $1", number)
    if row is None:
        raise EventQuarantined("It was made for an invoice that is not here (any more).")
    return int(row["id"]) if row["external_id"] in (None, raw["id"]) else None


async def save_invoice(
    held: Connection, account: Account, raw: Raw, *, invoice_id: int, reading: InvoiceReading
) -> None:
    """Keep the raw JSON of an invoice and store its ids, as `save_mirror` and `save_links` do, in one go."""
    kept = await held.fetch(
        f"""
        WITH linked AS (
            INSERT INTO stripe_link (account, mode, kind, external_id, invoice, invoice_external_id)
            SELECT $1, $2, kind, external_id, $5, $6
            FROM unnest($3::text[], $4::text[]) AS found(kind, external_id)
            ON CONFLICT ON CONSTRAINT stripe_link_once DO NOTHING)
        INSERT INTO stripe_object AS o (account, mode, kind, external_id, last_read, deleted, read_at)
        VALUES ($1, $2, 'invoice', $6, $7, false, now())
        ON CONFLICT ON CONSTRAINT stripe_object_once DO UPDATE
        SET last_read = excluded.last_read, deleted = excluded.deleted, read_at = excluded.read_at
        RETURNING o.id, CASE WHEN {IS_ERASED} THEN o.last_read END AS last_read
        """,  # noqa: S608 - a fragment of ours
        account.id,
        account.mode.value,
        ["invoice", *("payment_intent" for _ in reading.intents)],
        [reading.id, *reading.intents],
        invoice_id,
        reading.id,
        json.dumps(_without_secrets(raw)),
    )
    await _clean_erased(held, kept)


async def save_links(held: Connection, account: Account, invoice_id: int, reading: InvoiceReading) -> None:
    """Store the ids of a reading inside the caller's transaction; what is known stays as it is."""
    await save_many_links(held, account, [(invoice_id, reading)])


async def forget_links(held: Connection, account: Account, stripe_invoice: str) -> None:
    """Drop the ids of an invoice that Stripe has no more, so that another can take its place."""
    await held.execute(
        "DELETE FROM stripe_link WHERE account = $1 AND invoice_external_id = $2", account.id, stripe_invoice
    )


async def save_many_links(
    held: Connection, account: Account, found: Iterable[tuple[int, InvoiceReading]]
) -> None:
    """The same for several invoices."""
    rows = [
        (kind, external_id, invoice_id, reading.id)
        for invoice_id, reading in found
        for kind, external_id in (
            ("invoice", reading.id),
            *(("payment_intent", intent) for intent in reading.intents),
        )
    ]
    kinds, ids, invoices, roots = zip(*rows, strict=True) if rows else ((), (), (), ())
    await held.execute(
        """
        INSERT INTO stripe_link (account, mode, kind, external_id, invoice, invoice_external_id)
        SELECT $1, $2, kind, external_id, invoice, root
        FROM unnest($3::text[], $4::text[], $5::bigint[], $6::text[]) AS f(kind, external_id, invoice, root)
        ON CONFLICT ON CONSTRAINT stripe_link_once DO NOTHING
        """,
        account.id,
        account.mode.value,
        list(kinds),
        list(ids),
        list(invoices),
        list(roots),
    )


async def save_mirror(held: Connection, account: Account, raw: Raw) -> None:
    """Keep the raw JSON that was last read of an object."""
    await save_mirrors(held, account, [raw])


async def save_mirrors(held: Connection, account: Account, raws: Iterable[Raw]) -> None:
    """The same for several objects, each at most once."""
    rows = [
        (str(r["object"]), str(r["id"]), json.dumps(_without_secrets(r)), bool(r.get("deleted")))
        for r in raws
    ]
    kinds, ids, bodies, deleted = zip(*rows, strict=True) if rows else ((), (), (), ())
    kept = await held.fetch(
        f"""
        INSERT INTO stripe_object AS o (account, mode, kind, external_id, last_read, deleted, read_at)
        SELECT $1, $2, kind, external_id, body::jsonb, gone, now()
        FROM unnest($3::text[], $4::text[], $5::text[], $6::bool[]) AS found(kind, external_id, body, gone)
        ON CONFLICT ON CONSTRAINT stripe_object_once DO UPDATE
        SET last_read = excluded.last_read, deleted = excluded.deleted, read_at = excluded.read_at
        RETURNING o.id, CASE WHEN {IS_ERASED} THEN o.last_read END AS last_read
        """,  # noqa: S608 - a fragment of ours
        account.id,
        account.mode.value,
        list(kinds),
        list(ids),
        list(bodies),
        list(deleted),
    )
    await _clean_erased(held, kept)


async def _clean_erased(held: Connection, kept: Sequence[Any]) -> None:
    """Of customers whose personal data were erased here, nothing of it is kept again."""
    if erased := [row for row in kept if row["last_read"] is not None]:
        await clean(held, erased)


async def last_known(
    account: Account, kind: str, external_id: str, events: Sequence[StoredEvent]
) -> Raw | None:
    """What an object that is gone last was: as its newest event shows it, else as it was last read."""
    told = [event for event in events if (event.object_kind, event.object_id) == (kind, external_id)]
    if told and told[-1].body:
        snapshot: Raw = json.loads(told[-1].body)["data"]["object"]
        return snapshot
    async with connection() as held:
        body = await held.fetchval(
            "SELECT last_read FROM stripe_object WHERE account = $1 AND kind = $2 AND external_id = $3",
            account.id,
            kind,
            external_id,
        )
    known: Raw | None = json.loads(body) if isinstance(body, str) else body
    return known


def _without_secrets(raw: Raw) -> Raw:
    """The same object without client secrets, which must not be stored."""
    return {key: _clean(value) for key, value in raw.items() if not key.endswith("client_secret")}


def _clean(value: object) -> object:
    if isinstance(value, dict):
        return _without_secrets(value)
    return [_clean(entry) for entry in value] if isinstance(value, list) else value
