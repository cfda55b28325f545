"""Portal -> Stripe: a part of an invoice is not asked for any more, once."""

from __future__ import annotations

from plugins.stripe.gateway import reads, settling
from plugins.stripe.gateway.client import CallRefused
from plugins.stripe.services.invoice_changes import OWED
from plugins.stripe.services.turns import refresh_invoice_copy, with_fresh_keys
from portal.sdk import (
    Account,
    CreditOrder,
    Money,
    ProviderError,
    Reading,
    Task,
    credit_order,
    current_settings,
    payable_invoice,
)


class NothingToCredit(ProviderError):
    """What was to be credited is not owed any more."""

    code = "STRIPE_NOTHING_TO_CREDIT"


@with_fresh_keys
async def send_credit(account: Account, task: Task) -> Reading:
    """Have Stripe issue the credit note. One that an unanswered call made is found by our key in it."""
    order = await credit_order(task.subject_id)
    stripe_invoice = order.invoice_external_id
    if stripe_invoice is None or order.status in ("failed", "void"):
        return Reading(words="The credit was given up.")
    if order.external_id is None and not await _is_there(account, task, order):
        await _check(account, order, stripe_invoice)
        try:
            await settling.create_credit_note(
                account, current_settings(), order=order, key=f"{task.idempotency_key}:credit"
            )
        except CallRefused:
            await _check(account, order, stripe_invoice)  # somebody may have been quicker
            raise
    await refresh_invoice_copy(account, stripe_invoice)
    return Reading()


async def _is_there(account: Account, task: Task, order: CreditOrder) -> bool:
    if task.first:
        return False
    found = await reads.credit_notes_of(account, current_settings(), order.invoice_external_id or "")
    return any((raw.get("metadata") or {}).get(settling.CREDIT_KEY) == order.key for raw in found)


async def _check(account: Account, order: CreditOrder, stripe_invoice: str) -> None:
    """Refuse in words what Stripe would refuse, once the portal's row knows why.

    Raises:
        NothingToCredit: it was paid or voided meanwhile, or less is left of it.
    """
    raw = await reads.retrieve_invoice(account, current_settings(), stripe_invoice)
    status, left = str(raw.get("status") or "gone"), int(raw.get("amount_remaining") or 0)
    if status in OWED and order.amount.amount_minor <= left:
        return
    await refresh_invoice_copy(account, stripe_invoice)
    if status in OWED:
        owed = Money(left, order.amount.currency).format()
        raise NothingToCredit(f"Stripe asks for {owed} only.", hint="Credit no more than that.")
    if status == "paid" and (await payable_invoice(order.invoice_id)).amount_due.amount_minor:
        raise NothingToCredit(
            "Stripe's copy stays paid, though the bank took the payment back.",
            hint="Void the invoice here, and send a duplicate of it.",
        )
    if status == "paid":
        raise NothingToCredit("It was paid meanwhile.", hint="Refund the payment instead.")
    raise NothingToCredit(f"In Stripe the invoice is {status} by now.")
