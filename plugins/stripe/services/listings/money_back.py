"""Refunds and disputes of a page, by the invoice that was paid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from plugins.stripe.domain.invoices import Raw
from plugins.stripe.domain.money_back import paid_by
from plugins.stripe.services.links import Link, find_links, save_mirrors
from plugins.stripe.services.readings.money_back import facts_of_money_back
from portal.sdk import Account, Connection, Reading, ReadingPage


async def money_back_taken(account: Account, raws: Sequence[Raw]) -> ReadingPage:
    """One reading for each invoice. What was paid for no invoice that is known here is left out."""
    links = await find_links(account.id, [paid_by(raw) for raw in raws])
    by_invoice: dict[Link, list[Raw]] = defaultdict(list)
    for raw in raws:
        link = links.get(paid_by(raw))
        if link is not None:
            by_invoice[link].append(raw)
    keys = {f"invoice:{link.stripe_invoice}": found for link, found in by_invoice.items()}

    async def save(held: Connection, taken: Mapping[str, int | None]) -> None:
        await save_mirrors(held, account, [raw for key in taken for raw in keys[key]])

    return ReadingPage([await _reading(link, found) for link, found in by_invoice.items()], None, save=save)


async def _reading(link: Link, raws: Sequence[Raw]) -> Reading:
    facts = tuple(await facts_of_money_back(link.invoice_id, raws))
    return Reading(facts=facts, invoice_id=link.invoice_id, key=f"invoice:{link.stripe_invoice}")
