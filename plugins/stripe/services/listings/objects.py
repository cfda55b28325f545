"""Customers, plans and subscriptions of a page."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from plugins.stripe.domain.invoices import Raw
from plugins.stripe.gateway import reads
from plugins.stripe.services.links import save_mirrors, without_foreign
from plugins.stripe.services.listings.together import made_whole
from plugins.stripe.services.readings.customers import (
    CUSTOMER_KEY,
    PROBE_KEY,
    customer_seen,
    existing_customers,
)
from plugins.stripe.services.readings.plans import plan_seen, product_seen
from plugins.stripe.services.readings.subscriptions import ORDER_KEY, subscription_seen
from portal.sdk import Account, Connection, Fact, Reading, ReadingPage, current_settings


async def customers_taken(_account: Account, raws: Sequence[Raw]) -> ReadingPage:
    """Customers, each with ours when its metadata name one. No mirrors: nothing reads those of customers."""
    own = [raw for raw in raws if PROBE_KEY not in (raw.get("metadata") or {})]
    found = await without_foreign(own, CUSTOMER_KEY)
    ours = await existing_customers([number for _, number in found])
    seen = [customer_seen(raw, one) for (raw, _), one in zip(found, ours, strict=True)]
    return ReadingPage([Reading(facts=(fact,), key=f"customer:{fact.external_id}") for fact in seen], None)


async def products_taken(account: Account, raws: Sequence[Raw]) -> ReadingPage:
    """Products."""
    return _page(account, "product", [(raw, product_seen(raw)) for raw in raws])


async def prices_taken(account: Account, raws: Sequence[Raw]) -> ReadingPage:
    """Prices."""
    return _page(account, "price", [(raw, plan_seen(raw)) for raw in raws])


async def subscriptions_taken(account: Account, raws: Sequence[Raw]) -> ReadingPage:
    """Subscriptions. The few with more items than a list shows are read one by one, for what they cost."""
    known = [raw for raw, _ in await without_foreign(raws, CUSTOMER_KEY)]
    ordered = await without_foreign(known, ORDER_KEY)
    orders = {str(raw["id"]): order for raw, order in ordered}
    whole = await _whole(account, [raw for raw, _ in ordered])
    return _page(
        account, "subscription", [(raw, subscription_seen(raw, orders.get(str(raw["id"])))) for raw in whole]
    )


async def _whole(account: Account, raws: Sequence[Raw]) -> list[Raw]:
    read = functools.partial(reads.retrieve_subscription, account, current_settings(), with_products=False)
    return await made_whole(raws, [str(raw["id"]) for raw in raws if raw["items"].get("has_more")], read)


def _page(account: Account, kind: str, found: Sequence[tuple[Raw, Fact]]) -> ReadingPage:
    by_key = {f"{kind}:{raw['id']}": raw for raw, _ in found}

    async def save(held: Connection, taken: Mapping[str, int | None]) -> None:
        await save_mirrors(held, account, [by_key[key] for key in taken])

    readings = [Reading(facts=(fact,), key=f"{kind}:{raw['id']}") for raw, fact in found]
    return ReadingPage(readings, None, save=save)
