"""Calls about subscriptions: how many go on charging, those of a customer, and a new one."""

from __future__ import annotations

import asyncio
from typing import Literal

from stripe.params import SubscriptionCreateParams, SubscriptionCreateParamsItem

from plugins.stripe.gateway.client import client_for, translated_errors
from plugins.stripe.gateway.raw import Raw, raw_rest
from plugins.stripe.gateway.spending import account_client
from portal.sdk import Account, Secret, Settings, SubscriptionOrder

Status = Literal["active", "trialing", "past_due"]
RUNNING: tuple[Status, ...] = ("active", "trialing", "past_due")
"""What Stripe goes on charging, at once or when the trial ends."""
MOST_COUNTED = 100


async def count_running(key: Secret, settings: Settings) -> dict[Status, int]:
    """How many subscriptions Stripe goes on charging, by status, each counted up to 100."""
    counts = await asyncio.gather(*(_count(key, settings, status) for status in RUNNING))
    return dict(zip(RUNNING, counts, strict=True))


async def _count(key: Secret, settings: Settings, status: Status) -> int:
    with translated_errors():
        found = await client_for(key, settings).v1.subscriptions.list_async(
            {"status": status, "limit": MOST_COUNTED}
        )
    return len(found.data)


async def subscriptions_of(account: Account, settings: Settings, customer: str) -> list[Raw]:
    """Every subscription of a customer, ended ones as well."""
    wanted = {"customer": customer, "status": "all"}
    return await raw_rest(account, settings, service="subscriptions", params=wanted)


async def create_subscription(
    account: Account, settings: Settings, *, order: SubscriptionOrder, customer: str, key: str
) -> Raw:
    """Start it: nothing is charged before the customer pays its first invoice, whose method is kept.

    An order without a quantity is for a price that takes none. Raises OutcomeUnknown when no answer came.
    """
    item: SubscriptionCreateParamsItem = {"price": order.plan_external_id}
    if order.quantity:
        item["quantity"] = order.quantity
    fields: SubscriptionCreateParams = {
        "customer": customer,
        "items": [item],
        "payment_behavior": "default_incomplete",
        "payment_settings": {"save_default_payment_method": "on_subscription"},
        "metadata": {"portal_subscription": order.key},
    }
    if order.trial_days:
        fields["trial_period_days"] = order.trial_days
    with translated_errors(write=True):
        made = await account_client(account, settings).v1.subscriptions.create_async(
            fields, {"idempotency_key": key}
        )
    return dict(made.to_dict(for_json=True))
