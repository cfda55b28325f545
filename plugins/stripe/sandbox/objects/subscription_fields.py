"""Every field of a subscription and its items."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.listing import embedded
from plugins.stripe.sandbox.objects.billing_periods import period_end
from plugins.stripe.sandbox.store.ids import new_id

ENDED = frozenset({"canceled", "incomplete_expired"})
_TRIAL = 14 * 86400


def fresh(call: Call, price: Json) -> Json:
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
        "plan": plan_of(price),
        "quantity": 1,
        "schedule": None,
        "start_date": now,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
    }


def state_fields(status: str, now: int) -> Json:
    """The fields that go with a status."""
    fields: Json = {"status": status}
    if status in ENDED:
        fields["ended_at"] = now
    if status == "canceled":
        reason = {"comment": None, "feedback": None, "reason": "cancellation_requested"}
        fields |= {"canceled_at": now, "cancellation_details": reason}
    if status == "trialing":
        fields |= {"trial_start": now, "trial_end": now + _TRIAL}
    if status == "paused":
        fields |= paused_because("pause_requested", now)
    return fields


def paused_because(reason: str, now: int) -> Json:
    """The fields of a pause, with the reason in Stripe's words."""
    paused = {"subscription": {"type": reason}, "transitioned_at": now, "type": "subscription"}
    return {"status": "paused", "status_details": {"paused": paused}}


def with_items(subscription_id: str, items: list[Json]) -> Json:
    """The fields that show a subscription's items, among them what Stripe still says of the first one."""
    url = f"/v1/subscription_items?subscription={subscription_id}"
    first = items[0]
    return {
        "items": embedded(items, url, limit=20),
        "plan": first["plan"],
        "quantity": first["quantity"],
    }


def new_item(
    subscription_id: str, price: Json, *, now: int, anchor: int | None = None, quantity: int = 1
) -> Json:
    """An item: a price so many times, in the period that begins now."""
    ends = period_end(now if anchor is None else anchor, now, price["recurring"])
    return {
        "id": new_id("subscription_item"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": ends,
        "current_period_start": now,
        "current_trial": None,
        "discounts": [],
        "metadata": {},
        "plan": plan_of(price),
        "price": price,
        "quantity": quantity,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def plan_of(price: Json) -> Json:
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
