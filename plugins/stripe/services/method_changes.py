"""Portal -> Stripe: a subscription is charged to what its customer agreed to."""

from __future__ import annotations

from plugins.stripe.domain.events import Follow
from plugins.stripe.domain.invoices import Raw
from plugins.stripe.gateway import changes, reads
from plugins.stripe.gateway.client import CallRefused, ObjectMissing
from plugins.stripe.services.subscription_changes import ENDED
from plugins.stripe.services.turns import refresh_object, with_fresh_keys
from portal.sdk import Account, Reading, Task, current_settings, method_wish

NOTHING = "It is charged to what the customer agreed to."


@with_fresh_keys
async def use_method(account: Account, task: Task) -> Reading:
    """Charge it to the method that is wished now, unless it is so already; then read what became of it."""
    wished = await method_wish(task.subject_id)
    method = wished.method_external_id
    if not method:
        return Reading(words=NOTHING)
    if _is_open(await _now(account, wished.external_id), method):
        key = f"{task.idempotency_key}:{method}"
        try:
            await changes.charge_to(
                account, current_settings(), subscription=wished.external_id, method=method, key=key
            )
        except (CallRefused, ObjectMissing):
            # Somebody may have been quicker: of one that has ended Stripe says that there is none.
            if _is_open(await _now(account, wished.external_id), method):
                raise
    await refresh_object(account, Follow.SUBSCRIPTION, wished.external_id)
    return Reading()


async def _now(account: Account, subscription: str) -> Raw:
    return await reads.retrieve_subscription(account, current_settings(), subscription, with_products=False)


def _is_open(raw: Raw, method: str) -> bool:
    return raw["status"] not in ENDED and raw.get("default_payment_method") != method
