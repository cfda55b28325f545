"""One page of a kind: which call brings it, and what its objects become."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plugins.stripe.domain.invoices import Raw
from plugins.stripe.gateway import lists
from plugins.stripe.services.listings.invoices import invoices_taken
from plugins.stripe.services.listings.money_back import money_back_taken
from plugins.stripe.services.listings.objects import (
    customers_taken,
    prices_taken,
    products_taken,
    subscriptions_taken,
)
from portal.sdk import Account, ListedKind, PageWanted, ReadingPage, current_settings

LISTED_KINDS = (
    ListedKind("customers", "Customers"),
    ListedKind("products", "Products"),
    ListedKind("prices", "Prices"),
    ListedKind("subscriptions", "Subscriptions", open_only=True),
    ListedKind("invoices", "Invoices", open_only=True),
    ListedKind("refunds", "Refunds", in_order=True),
    ListedKind("disputes", "Disputes", in_order=True),
)
"""In this order: an invoice names its customer, and a refund is found by the invoice that was paid."""

Taken = Callable[[Account, Sequence[Raw]], Awaitable[ReadingPage]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind is listed and taken. Of `statuses` each is listed for itself, one after the other."""

    listing: lists.List
    taken: Taken
    statuses: tuple[str, ...] = ("",)
    open_statuses: tuple[str, ...] = ("",)


async def read_page(account: Account, wanted: PageWanted) -> ReadingPage:
    """One page as readings. Objects of other installations are left out."""
    kind = _KINDS[wanted.kind]
    statuses = kind.open_statuses if wanted.open_only else kind.statuses
    status, after = _place(wanted.after, statuses)
    page = await kind.listing(account, current_settings(), _params(wanted, status, after))
    raws: list[Raw] = page["data"]
    taken = await kind.taken(account, raws)
    oldest = datetime.fromtimestamp(int(raws[-1]["created"]), UTC) if raws else None
    return ReadingPage(taken.readings, _cursor(page, statuses, status), oldest=oldest, save=taken.save)


def _place(cursor: str | None, statuses: Sequence[str]) -> tuple[str, str]:
    """Which status is being listed, and the id after which to go on."""
    status, _, after = (cursor or "").rpartition(":")
    return (status if cursor else statuses[0]), after


def _cursor(page: Raw, statuses: Sequence[str], status: str) -> str | None:
    if page["has_more"] and page["data"]:
        return f"{status}:{page['data'][-1]['id']}"
    rest = statuses[statuses.index(status) + 1 :]
    return f"{rest[0]}:" if rest else None


def _params(wanted: PageWanted, status: str, after: str) -> dict[str, Any]:
    params: dict[str, Any] = {}
    span = {"gte": wanted.since, "lt": wanted.until}
    created = {name: int(moment.timestamp()) for name, moment in span.items() if moment is not None}
    if created:
        params["created"] = created
    if status:
        params["status"] = status
    if after:
        params["starting_after"] = after
    return params


_KINDS: Mapping[str, _Kind] = {
    "customers": _Kind(lists.list_customers, customers_taken),
    "products": _Kind(lists.list_products, products_taken),
    "prices": _Kind(lists.list_prices, prices_taken),
    "subscriptions": _Kind(lists.list_subscriptions, subscriptions_taken, statuses=("all",)),
    "invoices": _Kind(lists.list_invoices, invoices_taken, open_statuses=("open", "uncollectible")),
    "refunds": _Kind(lists.list_refunds, money_back_taken),
    "disputes": _Kind(lists.list_disputes, money_back_taken),
}
"""Without a status Stripe lists all invoices, and all subscriptions that are not cancelled."""
