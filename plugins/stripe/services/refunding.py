"""Portal -> Stripe: money of a payment goes back, once."""

from __future__ import annotations

from plugins.stripe.gateway import changes, reads
from plugins.stripe.services.readings.money_back import REFUND_KEY
from plugins.stripe.services.turns import refresh_invoice_copy, with_fresh_keys
from portal.sdk import Account, ProviderError, Reading, RefundOrder, Task, current_settings, refund_order


class NothingToRefund(ProviderError):
    """The payment was not made through Stripe, so Stripe has nothing to give back."""

    code = "STRIPE_NOTHING_TO_REFUND"


@with_fresh_keys
async def send_refund(account: Account, task: Task) -> Reading:
    """Ask Stripe for the refund. One that an unanswered call made is found by our key in its metadata."""
    order = await refund_order(task.subject_id)
    if order.status in ("failed", "canceled") and order.external_id is None:
        return Reading(words="The refund was given up.")
    if order.external_id is None and not await _is_there(account, task, order):
        _check(order)
        await changes.create_refund(
            account, current_settings(), order=order, key=f"{task.idempotency_key}:refund"
        )
    if order.invoice_external_id is not None:
        await refresh_invoice_copy(account, order.invoice_external_id)
    return Reading()


async def _is_there(account: Account, task: Task, order: RefundOrder) -> bool:
    if task.first:
        return False
    found = await reads.refunds_of(account, current_settings(), order.payment_external_id)
    return any((raw.get("metadata") or {}).get(REFUND_KEY) == order.key for raw in found)


def _check(order: RefundOrder) -> None:
    if not order.payment_external_id.startswith(("pi_", "ch_", "py_")):
        raise NothingToRefund(
            "This payment was not made through Stripe.", hint="Give the money back the way it came."
        )
