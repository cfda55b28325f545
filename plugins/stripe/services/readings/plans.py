"""Products and prices: what subscriptions sell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from plugins.stripe.domain.invoices import Raw
from plugins.stripe.domain.plans import describe_price, fixed_amount, is_metered
from plugins.stripe.gateway import reads
from plugins.stripe.gateway.client import ObjectMissing
from plugins.stripe.services.readings.mirroring import reading_of, reading_of_gone
from portal.sdk import Account, Fact, PlanSeen, ProductSeen, Reading, StoredEvent, current_settings


async def read_product(account: Account, external_id: str, events: Sequence[StoredEvent]) -> Reading:
    """The product now."""
    try:
        raw = await reads.retrieve_product(account, current_settings(), external_id)
    except ObjectMissing:
        return await reading_of_gone(account, "product", external_id, events=events, told=_product_gone)
    return reading_of(account, raw, product_seen(raw))


async def read_price(account: Account, external_id: str, events: Sequence[StoredEvent]) -> Reading:
    """The price now."""
    try:
        raw = await reads.retrieve_price(account, current_settings(), external_id)
    except ObjectMissing:
        return await reading_of_gone(account, "price", external_id, events=events, told=_price_gone)
    return reading_of(account, raw, plan_seen(raw))


def product_seen(raw: Raw) -> ProductSeen:
    """A product as it stands."""
    deleted = bool(raw.get("deleted"))
    return ProductSeen(
        external_id=str(raw["id"]),
        name=str(raw.get("name") or raw["id"]),
        active=bool(raw.get("active")) and not deleted,
        deleted=deleted,
        occurred_at=datetime.now(UTC),
    )


def plan_seen(raw: Raw) -> PlanSeen:
    """A price as it stands."""
    recurring, deleted = raw.get("recurring") or {}, bool(raw.get("deleted"))
    product = raw["product"]
    return PlanSeen(
        external_id=str(raw["id"]),
        product_external_id=str(product["id"] if isinstance(product, dict) else product),
        amount=fixed_amount(raw),
        currency=str(raw["currency"]),
        interval=str(recurring.get("interval") or ""),
        interval_count=int(recurring.get("interval_count") or 1),
        words=describe_price(raw),
        metered=is_metered(raw),
        active=bool(raw.get("active")) and not deleted,
        deleted=deleted,
        occurred_at=datetime.now(UTC),
    )


async def _product_gone(raw: Raw) -> Fact:
    return product_seen({**raw, "deleted": True})


async def _price_gone(raw: Raw) -> Fact:
    return plan_seen({**raw, "deleted": True})
