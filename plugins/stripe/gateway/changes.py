"""Calls that change what Stripe has already: each with a key, each safe to send again under it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import stripe as stripe_sdk
from stripe.params import CustomerUpdateParams, RefundCreateParams, SubscriptionUpdateParamsItem

from plugins.stripe.gateway.client import translated_errors
from plugins.stripe.gateway.spending import account_client
from portal.sdk import Account, RefundOrder, Settings

Raw = dict[str, Any]
REFUND_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
"""What Stripe takes as a reason. Any other one stays here."""


def _v1(account: Account, settings: Settings) -> stripe_sdk.V1Services:
    return account_client(account, settings).v1


def _plain(answer: stripe_sdk.StripeObject) -> Raw:
    return dict(answer.to_dict(for_json=True))


async def mark_uncollectible(account: Account, settings: Settings, *, invoice: str, key: str) -> None:
    """Declare an open invoice uncollectible. It can still be paid."""
    with translated_errors(write=True):
        await _v1(account, settings).invoices.mark_uncollectible_async(invoice, {}, {"idempotency_key": key})


async def pay_outside(account: Account, settings: Settings, *, invoice: str, key: str) -> None:
    """Tell Stripe that what is left of the invoice was paid elsewhere."""
    with translated_errors(write=True):
        await _v1(account, settings).invoices.pay_async(
            invoice, {"paid_out_of_band": True}, {"idempotency_key": key}
        )


async def collect_invoice(account: Account, settings: Settings, *, invoice: str, key: str) -> None:
    """Charge what is open to the customer's saved method now. Raises CardDeclined when the bank refuses."""
    with translated_errors(write=True):
        await _v1(account, settings).invoices.pay_async(
            invoice, {"off_session": True}, {"idempotency_key": key}
        )


async def create_refund(account: Account, settings: Settings, *, order: RefundOrder, key: str) -> Raw:
    """Give money of a payment back. Raises OutcomeUnknown when no answer came."""
    fields: RefundCreateParams = {
        "amount": order.amount.amount_minor,
        "metadata": {"portal_refund": order.key},
    }
    if order.payment_external_id.startswith("pi_"):
        fields["payment_intent"] = order.payment_external_id
    else:
        fields["charge"] = order.payment_external_id
    if order.reason in REFUND_REASONS:
        fields["reason"] = order.reason
    with translated_errors(write=True):
        made = await _v1(account, settings).refunds.create_async(fields, {"idempotency_key": key})
    return _plain(made)


async def update_customer(
    account: Account, settings: Settings, *, customer: str, fields: Mapping[str, str], key: str
) -> None:
    """Change name or email address; an empty one is taken away."""
    wanted: CustomerUpdateParams = {}
    if "name" in fields:
        wanted["name"] = fields["name"]
    if "email" in fields:
        wanted["email"] = fields["email"]
    with translated_errors(write=True):
        await _v1(account, settings).customers.update_async(customer, wanted, {"idempotency_key": key})


async def cancel_subscription(account: Account, settings: Settings, *, subscription: str, key: str) -> None:
    """End it now, without a last invoice and without money back, as Stripe does unless asked."""
    with translated_errors(write=True):
        await _v1(account, settings).subscriptions.cancel_async(subscription, {}, {"idempotency_key": key})


async def end_subscription_later(
    account: Account, settings: Settings, *, subscription: str, key: str, later: bool
) -> None:
    """Let it end with its period, or take that back."""
    with translated_errors(write=True):
        await _v1(account, settings).subscriptions.update_async(
            subscription, {"cancel_at_period_end": later}, {"idempotency_key": key}
        )


async def forget_last_day(account: Account, settings: Settings, *, subscription: str, key: str) -> None:
    """Let one go on that was to end on a day that somebody named, which need not be the end of a period."""
    with translated_errors(write=True):
        await _v1(account, settings).subscriptions.update_async(
            subscription, {"cancel_at": ""}, {"idempotency_key": key}
        )


async def pause_subscription(account: Account, settings: Settings, *, subscription: str, key: str) -> None:
    """Stop collecting: invoices of the time until it goes on are void at once."""
    with translated_errors(write=True):
        await _v1(account, settings).subscriptions.update_async(
            subscription, {"pause_collection": {"behavior": "void"}}, {"idempotency_key": key}
        )


async def unpause_subscription(account: Account, settings: Settings, *, subscription: str, key: str) -> None:
    """Collect again from the next invoice on."""
    with translated_errors(write=True):
        await _v1(account, settings).subscriptions.update_async(
            subscription, {"pause_collection": ""}, {"idempotency_key": key}
        )


ProrationBehavior = Literal["always_invoice", "create_prorations", "none"]


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What becomes of an item of a subscription; None: as it is."""

    item: str
    price: str | None
    quantity: int | None
    proration: ProrationBehavior


async def change_item(
    account: Account, settings: Settings, *, subscription: str, change: ItemChange, key: str
) -> None:
    """Put an item on another price or quantity, and count the rest of the period as asked."""
    item: SubscriptionUpdateParamsItem = {"id": change.item}
    if change.price is not None:
        item["price"] = change.price
    if change.quantity is not None:
        item["quantity"] = change.quantity
    with translated_errors(write=True):
        await _v1(account, settings).subscriptions.update_async(
            subscription,
            {"items": [item], "proration_behavior": change.proration},
            {"idempotency_key": key},
        )


async def resume_subscription(account: Account, settings: Settings, *, subscription: str, key: str) -> None:
    """Start one again that Stripe calls paused: a new period begins now, and its invoice with it."""
    with translated_errors(write=True):
        await _v1(account, settings).subscriptions.resume_async(
            subscription, {"billing_cycle_anchor": {"type": "now"}}, {"idempotency_key": key}
        )


async def charge_to(
    account: Account, settings: Settings, *, subscription: str, method: str, key: str
) -> None:
    """Charge the subscription to this method from now on. The customer's own default stays as it is."""
    with translated_errors(write=True):
        await _v1(account, settings).subscriptions.update_async(
            subscription, {"default_payment_method": method}, {"idempotency_key": key}
        )
