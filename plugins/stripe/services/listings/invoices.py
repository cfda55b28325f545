"""Invoices of a page, with what was paid."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from plugins.stripe.domain.invoices import InvoiceReading, Raw, read_invoice
from plugins.stripe.gateway import reads
from plugins.stripe.services.links import Link, find_links, save_many_links, without_foreign
from plugins.stripe.services.listings.together import made_whole
from plugins.stripe.services.readings.invoices import reading_of_invoice, reading_of_made_in_stripe
from plugins.stripe.services.readings.money_back import CREDIT_FEATURE, facts_of_money_back
from portal.sdk import (
    UNKNOWN_INVOICE,
    Account,
    Connection,
    Reading,
    ReadingPage,
    connection,
    current_settings,
)

STILL_PAYABLE = ("open", "uncollectible")


async def invoices_taken(account: Account, raws: Sequence[Raw]) -> ReadingPage:
    """Invoices as facts, each read once. The few of which a list does not say enough come one by one."""
    found = await without_foreign(raws, "portal_invoice")
    known = [(raw, number) for raw, number in found if raw["status"] != "draft"]
    async with connection():  # one for all that is looked up, none while Stripe is asked
        links = await find_links(account.id, [str(raw["id"]) for raw, _ in known])
        awaited = await _awaited(links)
        owners = await _owners(links, {str(raw["id"]): number for raw, number in known if number})
    whole = await _whole(account, [raw for raw, _ in known], awaited)
    read = {f"invoice:{raw['id']}": read_invoice(raw) for raw in whole}
    readings = [
        await _credited(account, invoice, _reading(account, raw, invoice, owners))
        for raw, invoice in zip(whole, read.values(), strict=True)
    ]
    return _page(account, [reading for reading in readings if not reading.ignored], read)


async def _awaited(links: Mapping[str, Link]) -> frozenset[str]:
    """Those of which an attempt is known to be under way."""
    if not links:
        return frozenset()
    async with connection() as held:
        rows = await held.fetch(
            "SELECT invoice FROM payment_attempt WHERE invoice = ANY($1::bigint[]) AND state = 'processing'",
            [link.invoice_id for link in links.values()],
        )
    under_way = {row["invoice"] for row in rows}
    return frozenset(id_ for id_, link in links.items() if link.invoice_id in under_way)


async def _whole(account: Account, raws: Sequence[Raw], awaited: Collection[str]) -> list[Raw]:
    wanted = [str(raw["id"]) for raw in raws if raw["id"] in awaited or _says_too_little(raw)]
    return await made_whole(
        raws, wanted, functools.partial(reads.retrieve_invoice, account, current_settings())
    )


def _says_too_little(raw: Raw) -> bool:
    """Whether it has more lines or payments than a list shows, or somebody tried to pay it.

    The attempts of an invoice stand in its payment intents, which are too deep for a list: without them a
    bank debit that is under way would go unseen, and be paid a second time, and nobody could tell how an
    attempt that is awaited has ended.
    """
    more = (raw.get("lines") or {}).get("has_more") or (raw.get("payments") or {}).get("has_more")
    return bool(more) or (raw["status"] in STILL_PAYABLE and int(raw.get("attempt_count") or 0) > 0)


async def _owners(links: Mapping[str, Link], numbers: Mapping[str, int]) -> dict[str, int]:
    """Stripe's id -> our invoice, of those that the portal made. The rest were made in Stripe."""
    named = {id_: number for id_, number in numbers.items() if id_ not in links}
    copies = await _copies(named.values())
    unlinked = {id_: n for id_, n in named.items() if n in copies and copies[n] in (None, id_)}
    return {id_: link.invoice_id for id_, link in links.items() if link.made_here} | unlinked


async def _copies(numbers: Collection[int]) -> dict[int, str | None]:
    """Our invoice -> Stripe's id that it knows of."""
    if not numbers:
        return {}
    async with connection() as held:
        rows = await held.fetch(
            "SELECT id, external_id FROM invoice WHERE id = ANY($1::bigint[])", list(numbers)
        )
    return {row["id"]: row["external_id"] for row in rows}


def _reading(account: Account, raw: Raw, invoice: InvoiceReading, owners: Mapping[str, int]) -> Reading:
    ours = owners.get(invoice.id)
    found = (
        reading_of_made_in_stripe(account, raw, known=invoice)
        if ours is None
        else reading_of_invoice(account, raw, ours, known=invoice)
    )
    return replace(found, key=f"invoice:{invoice.id}", save=None)


async def _credited(account: Account, invoice: InvoiceReading, reading: Reading) -> Reading:
    """The same with what credit notes took off it; few invoices have any."""
    if reading.ignored or not invoice.credited or not account.can(CREDIT_FEATURE):
        return reading
    notes = await reads.credit_notes_of(account, current_settings(), invoice.id)
    known = UNKNOWN_INVOICE if reading.invoice_id is None else reading.invoice_id
    return replace(reading, facts=(*reading.facts, *await facts_of_money_back(known, notes)))


def _page(account: Account, readings: Sequence[Reading], read: Mapping[str, InvoiceReading]) -> ReadingPage:
    # No mirrors: nothing reads those of invoices, and writing a hundred takes longer than all the rest.
    async def save(held: Connection, taken: Mapping[str, int | None]) -> None:
        made = [(invoice, read[key]) for key, invoice in taken.items() if invoice is not None]
        await save_many_links(held, account, made)

    return ReadingPage(readings, None, save=save)
