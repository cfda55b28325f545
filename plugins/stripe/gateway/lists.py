"""Pages of everything of a kind, for backfill, resync and comparison."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from plugins.stripe.gateway.raw import Raw, raw_page
from portal.sdk import Account, Settings

INVOICE_LIST_EXPAND = ["data.payments"]
"""Stripe expands four levels and counts `data` as one: the intents of the payments would be the fifth."""

Params = Mapping[str, Any]
List = Callable[[Account, Settings, Params], Awaitable[Raw]]


async def list_customers(account: Account, settings: Settings, params: Params) -> Raw:
    """A page of customers; deleted ones are in no list."""
    return await raw_page(account, settings, service="customers", params=params)


async def list_products(account: Account, settings: Settings, params: Params) -> Raw:
    """A page of products, active or not."""
    return await raw_page(account, settings, service="products", params=params)


async def list_prices(account: Account, settings: Settings, params: Params) -> Raw:
    """A page of prices with their tiers, active or not."""
    return await raw_page(account, settings, service="prices", params={**params, "expand": ["data.tiers"]})


async def list_subscriptions(account: Account, settings: Settings, params: Params) -> Raw:
    """A page of subscriptions with their customers."""
    wanted = {**params, "expand": ["data.customer"]}
    return await raw_page(account, settings, service="subscriptions", params=wanted)


async def list_invoices(account: Account, settings: Settings, params: Params) -> Raw:
    """A page of invoices with their payments, but not with the intents that these came through."""
    wanted = {**params, "expand": INVOICE_LIST_EXPAND}
    return await raw_page(account, settings, service="invoices", params=wanted)


async def list_refunds(account: Account, settings: Settings, params: Params) -> Raw:
    """A page of refunds."""
    return await raw_page(account, settings, service="refunds", params=params)


async def list_disputes(account: Account, settings: Settings, params: Params) -> Raw:
    """A page of disputes."""
    return await raw_page(account, settings, service="disputes", params=params)


async def list_events(account: Account, settings: Settings, params: Params) -> Raw:
    """A page of the events of the last 30 days, each as it was made."""
    return await raw_page(account, settings, service="events", params=params)
