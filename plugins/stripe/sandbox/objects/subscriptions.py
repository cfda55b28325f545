"""Subscriptions: read and listed, and those that a control call plants."""

from __future__ import annotations

from collections.abc import Callable

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.listing import listed, page
from plugins.stripe.sandbox.objects.customers import fresh_fields, require_customer
from plugins.stripe.sandbox.objects.prices import add_price
from plugins.stripe.sandbox.objects.products import add_product
from plugins.stripe.sandbox.objects.subscription_fields import (
    ENDED,
    fresh,
    new_item,
    state_fields,
    with_items,
)
from plugins.stripe.sandbox.store.ids import new_id

STATUSES = (
    "active",
    "canceled",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
)
MAX_PLANTED = 500


# ---- the API


@handles("GET /v1/subscriptions/{subscription_exposed_id}")
def retrieve(call: Call) -> Json:
    """Read a subscription."""
    return call.world.get("subscription", call.ids[0])


@handles("GET /v1/subscriptions")
def list_(call: Call) -> Json:
    """List subscriptions; without a status all but the canceled ones."""
    filters = {name: call.params.get(name) for name in ("customer", "collection_method", "test_clock")}
    return listed(call, "subscription", filters, keep=_status_rule(call.params.get("status")))


def _status_rule(wanted: str | None) -> Callable[[Json], bool]:
    match wanted:
        case None:
            return lambda row: row["status"] != "canceled"
        case "all":
            return lambda _row: True
        case "ended":
            return lambda row: row["status"] in ENDED
    return lambda row: row["status"] == wanted


@handles("GET /v1/subscription_items")
def list_items(call: Call) -> Json:
    """List the items of one subscription."""
    row = call.world.get("subscription", call.params["subscription"], param="subscription")
    return page(call, row["items"]["data"], "/v1/subscription_items")


# ---- planting


def plant(call: Call, count: int, status: str, customer_id: str | None = None) -> list[Json]:
    """Put subscriptions of one customer to one price there, as if they had been for long: without events.

    Raises:
        ApiError: a count, a status or a customer that cannot be.
    """
    if status not in STATUSES:
        raise ApiError(400, f"There is no status {status}. Known: {', '.join(STATUSES)}.")
    if not 1 <= count <= MAX_PLANTED:
        raise ApiError(400, f"Plant 1 to {MAX_PLANTED} subscriptions at once.")
    customer = require_customer(call, customer_id) if customer_id else _add_customer(call)
    product = add_product(call, {"name": "Planted plan"})
    monthly = {"currency": "usd", "unit_amount": 2000, "recurring": {"interval": "month"}}
    price = add_price(call, {**monthly, "product": product["id"]})
    return [_add(call, customer["id"], price, status) for _ in range(count)]


def _add_customer(call: Call) -> Json:
    named = {"name": "Planted customer", "email": "planted@example.com"}
    return call.world.add("customer", fresh_fields() | named)


def _add(call: Call, customer_id: str, price: Json, status: str) -> Json:
    subscription_id, now = new_id("subscription"), call.now()
    item = new_item(subscription_id, price, now=now)
    fields = fresh(call, price) | state_fields(status, now)
    fields |= {"id": subscription_id, "customer": customer_id}
    fields |= with_items(subscription_id, [item])
    return call.world.add("subscription", fields, created=now)
