"""Subscriptions that a control call planted: they can be listed, read and labelled, and do nothing else."""

from __future__ import annotations

from collections.abc import Callable

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.listing import embedded, listed
from plugins.stripe.sandbox.objects.customers import fresh_fields, require_customer
from plugins.stripe.sandbox.objects.prices import add_price
from plugins.stripe.sandbox.objects.products import add_product
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
_ENDED = frozenset({"canceled", "incomplete_expired"})
_MONTH, _TRIAL = 30 * 86400, 14 * 86400


# ---- the API


@handles("GET /v1/subscriptions/{subscription_exposed_id}")
def retrieve(call: Call) -> Json:
    """Read a subscription."""
    return call.world.get("subscription", call.ids[0])


@handles("POST /v1/subscriptions/{subscription_exposed_id}")
def update(call: Call) -> Json:
    """Change the metadata, which is all that can change here."""
    row = call.world.get("subscription", call.ids[0])
    with call.changing(row, "customer.subscription.updated"):
        assign(row, call.params, ())
    return row


@handles("GET /v1/subscriptions")
def list_(call: Call) -> Json:
    """List subscriptions; without a status all but the canceled ones."""
    filters = {name: call.params.get(name) for name in ("customer", "collection_method")}
    return listed(call, "subscription", filters, keep=_status_rule(call.params.get("status")))


def _status_rule(wanted: str | None) -> Callable[[Json], bool]:
    match wanted:
        case None:
            return lambda row: row["status"] != "canceled"
        case "all":
            return lambda _row: True
        case "ended":
            return lambda row: row["status"] in _ENDED
    return lambda row: row["status"] == wanted


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
    item = _item(call, subscription_id, price)
    fields = _fresh(call, price) | _state_fields(status, now)
    fields |= {"id": subscription_id, "customer": customer_id}
    fields["items"] = embedded([item], f"/v1/subscription_items?subscription={subscription_id}")
    return call.world.add("subscription", fields, created=now)


def _fresh(call: Call, price: Json) -> Json:
    """Every field of a subscription that nothing special was asked of."""
    now = call.now()
    return {
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "currency": price["currency"],
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "latest_invoice": None,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "plan": _plan(price),
        "quantity": 1,
        "schedule": None,
        "start_date": now,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
    }


def _state_fields(status: str, now: int) -> Json:
    """The fields that go with a status."""
    fields: Json = {"status": status}
    if status in _ENDED:
        fields["ended_at"] = now
    if status == "canceled":
        reason = {"comment": None, "feedback": None, "reason": "cancellation_requested"}
        fields |= {"canceled_at": now, "cancellation_details": reason}
    if status == "trialing":
        fields |= {"trial_start": now, "trial_end": now + _TRIAL}
    if status == "paused":
        paused = {
            "subscription": {"type": "pause_requested"},
            "transitioned_at": now,
            "type": "subscription",
        }
        fields["status_details"] = {"paused": paused}
    return fields


def _item(call: Call, subscription_id: str, price: Json) -> Json:
    now = call.now()
    return {
        "id": new_id("subscription_item"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": now + _MONTH,
        "current_period_start": now,
        "current_trial": None,
        "discounts": [],
        "metadata": {},
        "plan": _plan(price),
        "price": price,
        "quantity": 1,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def _plan(price: Json) -> Json:
    """A recurring price in the older form that Stripe still sends beside it."""
    recurring = price["recurring"]
    same = ("active", "billing_scheme", "created", "currency", "id", "livemode", "metadata", "nickname")
    return {name: price[name] for name in (*same, "product", "tiers_mode")} | {
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "meter": recurring["meter"],
        "object": "plan",
        "transform_usage": None,
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    }
