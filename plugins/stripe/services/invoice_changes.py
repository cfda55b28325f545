"""Portal -> Stripe: what happens to an invoice after it was finalised.

Each of these looks at Stripe's copy first and sends only what is not so yet, so that it may be done again at
any time: after a lost answer, or a day later, when Stripe has forgotten the key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from plugins.stripe.domain.invoices import Raw
from plugins.stripe.gateway import changes, reads
from plugins.stripe.gateway import payments as gateway
from plugins.stripe.gateway.client import CallRefused, ObjectMissing
from plugins.stripe.services.turns import refresh_invoice_copy, with_fresh_keys
from portal.sdk import Account, PayableInvoice, Reading, Task, current_settings, payable_invoice

NEVER_THERE = "Stripe never had it."
NOT_THERE = "It was a draft in Stripe, and somebody deleted it there."
GONE = "deleted"
OWED = ("open", "uncollectible")
"""Statuses of Stripe's in which something can still be paid."""
Send = Callable[[PayableInvoice, str], Awaitable[None]]
"""The call itself, with its key."""


@with_fresh_keys
async def void_invoice(account: Account, task: Task) -> Reading:
    """Void Stripe's copy. One that was paid meanwhile stays paid: the money decides."""

    async def send(invoice: PayableInvoice, key: str) -> None:
        await gateway.void_invoice(account, current_settings(), invoice=_id(invoice), key=key)

    return await _change(account, task, step="void", when=OWED, send=send)


@with_fresh_keys
async def uncollectible_invoice(account: Account, task: Task) -> Reading:
    """Mark Stripe's copy as uncollectible, unless it was paid or voided meanwhile."""

    async def send(invoice: PayableInvoice, key: str) -> None:
        await changes.mark_uncollectible(account, current_settings(), invoice=_id(invoice), key=key)

    return await _change(account, task, step="uncollectible", when=("open",), send=send)


@with_fresh_keys
async def settle_invoice(account: Account, task: Task) -> Reading:
    """Tell Stripe that the rest was paid elsewhere, so that nobody is asked for it there."""

    async def send(invoice: PayableInvoice, key: str) -> None:
        if invoice.amount_due.amount_minor == 0:  # a payment may have been taken back since
            await changes.pay_outside(account, current_settings(), invoice=_id(invoice), key=key)

    return await _change(account, task, step="settle", when=OWED, send=send)


async def _change(
    account: Account,
    task: Task,
    *,
    step: str,
    when: tuple[str, ...],
    send: Send,
) -> Reading:
    """Send it while Stripe's copy is in one of these states, then read what came of it."""
    invoice = await payable_invoice(task.subject_id)
    if invoice.external_id is None:
        return Reading(words=NEVER_THERE)
    status = await _status(account, invoice.external_id)
    if status == GONE:
        return Reading(words=NOT_THERE)
    if status in when:
        try:
            await send(invoice, f"{task.idempotency_key}:{step}")
        except CallRefused:
            # Somebody may have been quicker, a payment for one: then there is nothing left to send.
            if await _status(account, invoice.external_id) in when:
                raise
    await refresh_invoice_copy(account, invoice.external_id)
    return Reading()


async def _status(account: Account, stripe_invoice: str) -> str:
    try:
        raw: Raw = await reads.retrieve_invoice(account, current_settings(), stripe_invoice)
    except ObjectMissing:
        return GONE
    return GONE if raw.get("deleted") else str(raw["status"])


def _id(invoice: PayableInvoice) -> str:
    return invoice.external_id or ""
