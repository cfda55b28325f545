"""Portal -> Stripe: a subscription for one of our customers, once, whose first payment waits for them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from plugins.stripe.domain.events import Follow
from plugins.stripe.domain.invoices import Raw
from plugins.stripe.domain.plans import is_metered
from plugins.stripe.gateway import reads, subscriptions
from plugins.stripe.gateway.client import CallRefused, FailureReplayed, ObjectMissing
from plugins.stripe.services.customers import forget_customer, stripe_customer_for
from plugins.stripe.services.readings.subscriptions import ORDER_KEY
from plugins.stripe.services.turns import refresh_invoice_copy, refresh_object, with_fresh_keys
from portal.sdk import Account, Reading, SubscriptionOrder, Task, current_settings, subscription_order


@with_fresh_keys
async def start_subscription(account: Account, task: Task) -> Reading:
    """Start it, or find what an unanswered call started; then read it and its first invoice, in this order.

    Whoever reads the invoice finds the order done, and can give it its pay link.
    """
    order = await subscription_order(task.subject_id)
    if order.status == "refused":
        return Reading(words="The order was given up.")
    raw = await _known(account, order) or await _started(account, task, order)
    await refresh_object(account, Follow.SUBSCRIPTION, str(raw["id"]))
    if invoice := raw.get("latest_invoice"):
        await refresh_invoice_copy(account, str(invoice))
    return Reading()


async def _known(account: Account, order: SubscriptionOrder) -> Raw | None:
    if order.external_id is None:
        return None
    return await reads.retrieve_subscription(
        account, current_settings(), order.external_id, with_products=False
    )


async def _started(account: Account, task: Task, order: SubscriptionOrder) -> Raw:
    settings = current_settings()
    customer = await stripe_customer_for(account, order, task)
    try:
        found = None if task.first else await _made_before(account, order, customer)
        if found is not None:
            return found
        if await _is_metered(account, order.plan_external_id):
            order = replace(order, quantity=0)
        key = f"{task.idempotency_key}:start"
        return await subscriptions.create_subscription(
            account, settings, order=order, customer=customer, key=key
        )
    except (ObjectMissing, CallRefused):
        if not await _is_gone(account, customer):
            raise
        await forget_customer(account, customer)
        raise FailureReplayed("Stripe's customer was deleted; another one is made.") from None


async def _made_before(account: Account, order: SubscriptionOrder, customer: str) -> Raw | None:
    """What an earlier call started, by our key in its metadata; also when it has ended meanwhile."""
    made = await subscriptions.subscriptions_of(account, current_settings(), customer)
    return next((raw for raw in made if (raw.get("metadata") or {}).get(ORDER_KEY) == order.key), None)


async def _is_metered(account: Account, price: str) -> bool:
    """Whether Stripe counts the use itself: it refuses a quantity then."""
    if not account.can("plan_prices"):
        return False
    with suppress(ObjectMissing):  # Stripe says so itself, in words for people
        raw = await reads.retrieve_price(account, current_settings(), price)
        return is_metered(raw)
    return False


async def _is_gone(account: Account, customer: str) -> bool:
    try:
        raw = await reads.retrieve_customer(account, current_settings(), customer)
    except ObjectMissing:
        return True
    return bool(raw.get("deleted"))
