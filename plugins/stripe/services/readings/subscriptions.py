"""Subscriptions, with the plans that they are to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from plugins.stripe.domain.invoices import Raw
from plugins.stripe.domain.plans import period_amount
from plugins.stripe.gateway import reads
from plugins.stripe.gateway.client import ObjectMissing
from plugins.stripe.services.links import own_number
from plugins.stripe.services.readings.customers import CUSTOMER_KEY
from plugins.stripe.services.readings.mirroring import reading_of, reading_of_gone
from plugins.stripe.services.readings.plans import plan_seen, product_seen
from portal.sdk import Account, Fact, Reading, StoredEvent, SubscriptionSeen, connection, current_settings

ORDER_KEY = "portal_subscription"
PLAN_FEATURES = ("plan_names", "plan_prices")


async def read_subscription(account: Account, external_id: str, events: Sequence[StoredEvent]) -> Reading:
    """The subscription now; a cancelled one can still be read."""
    with_products = all(account.can(feature) for feature in PLAN_FEATURES)
    try:
        raw = await reads.retrieve_subscription(
            account, current_settings(), external_id, with_products=with_products
        )
    except ObjectMissing:
        return await reading_of_gone(account, "subscription", external_id, events=events, told=_gone)
    await own_number((raw.get("metadata") or {}).get(CUSTOMER_KEY))
    order = await own_number((raw.get("metadata") or {}).get(ORDER_KEY))
    plans = await _unknown_plans(account, raw) if with_products else []
    return reading_of(account, raw, *plans, subscription_seen(raw, order))


def subscription_seen(raw: Raw, order: int | None = None) -> SubscriptionSeen:
    """A subscription as it stands; `order`: ours that it was made for, as its metadata say."""
    items: Sequence[Raw] = raw["items"]["data"]
    first = items[0]
    customer = raw["customer"] if isinstance(raw["customer"], dict) else {"id": raw["customer"]}
    recurring = first["price"].get("recurring") or {}
    return SubscriptionSeen(
        external_id=str(raw["id"]),
        customer_external_id=str(customer["id"]),
        customer_name=str(customer.get("name") or ""),
        customer_email=str(customer.get("email") or ""),
        plan_external_id=str(first["price"]["id"]),
        quantity=int(first.get("quantity") or 1),
        status=str(raw["status"]),
        amount=period_amount(items),
        currency=str(raw["currency"]),
        interval=str(recurring.get("interval") or ""),
        interval_count=int(recurring.get("interval_count") or 1),
        started_at=_moment(raw["start_date"]),
        period_start=_time(first.get("current_period_start")),
        period_end=_time(first.get("current_period_end")),
        trial_end=_time(raw.get("trial_end")),
        cancel_at=_time(raw.get("cancel_at")),
        cancel_at_period_end=bool(raw.get("cancel_at_period_end")),
        canceled_at=_time(raw.get("canceled_at")),
        ended_at=_time(raw.get("ended_at")),
        pause=_pause(raw),
        latest_invoice_external_id=_id(raw.get("latest_invoice")),
        method_external_id=_charged_to(raw, customer),
        order_id=order,
    )


def _charged_to(raw: Raw, customer: Raw) -> str | None:
    """What Stripe charges, in the order in which it looks; a source is the older kind of a saved method."""
    looks = (
        raw.get("default_payment_method"),
        raw.get("default_source"),
        (customer.get("invoice_settings") or {}).get("default_payment_method"),
        customer.get("default_source"),
    )
    return next(filter(None, map(_id, looks)), None)


async def _unknown_plans(account: Account, raw: Raw) -> list[Fact]:
    """The plans that are not here yet, with their products. Known ones have events of their own.

    Those are read in their own turn: what comes along here may be older than what they brought.
    """
    prices = {item["price"]["id"]: item["price"] for item in raw["items"]["data"]}
    async with connection() as held:
        known = await held.fetch(
            "SELECT external_id FROM plan WHERE account = $1 AND external_id = ANY($2::text[])",
            account.id,
            list(prices),
        )
    fresh = [price for id_, price in prices.items() if id_ not in {row["external_id"] for row in known}]
    products = {p["product"]["id"]: p["product"] for p in fresh if isinstance(p["product"], dict)}
    return [*map(product_seen, products.values()), *map(plan_seen, fresh)]


async def _gone(raw: Raw) -> Fact:
    ended = raw.get("ended_at") or int(datetime.now(UTC).timestamp())
    return subscription_seen({**raw, "status": "canceled", "ended_at": ended})


def _pause(raw: Raw) -> str:
    """In Stripe's word: why no money is collected though it runs, or why it stands still."""
    collection = raw.get("pause_collection") or {}
    still: dict[str, Any] = ((raw.get("status_details") or {}).get("paused") or {}).get("subscription") or {}
    reason = still.get("type") if raw["status"] == "paused" else None
    return str(collection.get("behavior") or reason or "")


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _id(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None
