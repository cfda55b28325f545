"""Portal -> Stripe: one invoice of ours becomes one of Stripe's, whatever dies on the way."""

from __future__ import annotations

from datetime import timedelta

from plugins.stripe.domain.invoices import Raw, read_invoice
from plugins.stripe.domain.minimums import least_charge
from plugins.stripe.gateway import payments as gateway
from plugins.stripe.gateway.client import CallRefused, FailureReplayed
from plugins.stripe.services.customers import forget_customer, stripe_customer_for
from plugins.stripe.services.links import save_links
from plugins.stripe.services.payments import refresh_payment
from plugins.stripe.services.readings import publication_of, reading_of_invoice
from portal.sdk import (
    Account,
    PayableInvoice,
    ProviderError,
    Reading,
    Task,
    current_settings,
    payable_invoice,
    renew_key,
    run_task,
    transaction,
)


class AmountsDiffer(ProviderError):
    """Stripe adds up to another total than ours; nobody is asked to pay until a person looked."""

    code = "STRIPE_AMOUNTS_DIFFER"


class AmountTooSmall(ProviderError):
    """Stripe would call the invoice paid and put its amount on the customer's next one."""

    code = "STRIPE_AMOUNT_TOO_SMALL"


async def run_sync_task(task_id: int) -> None:
    """Do one task of the outbox."""
    await run_task(
        task_id,
        {
            "publish_invoice": publish_invoice,
            "void_invoice": void_invoice,
            "refresh_invoice": refresh_invoice,
        },
    )


async def refresh_invoice(account: Account, task: Task) -> Reading:
    """Read Stripe's copy as it is now, in its turn, and apply it: what happened while nobody listened."""
    await refresh_payment(account, task.subject_id)
    return Reading()


async def publish_invoice(account: Account, task: Task) -> Reading:
    """Make sure that Stripe has this invoice, finalised, once.

    Three calls, each with an idempotency key that was stored before the first one and a step that can be
    repeated: create, add lines, finalise. What is already done is seen in the invoice itself. A key for which
    Stripe stored a failure is replaced, after a look for what that failure may have left.
    """
    try:
        return await _publish(account, task)
    except FailureReplayed:
        return await _publish(account, await renew_key(task))


async def _publish(account: Account, task: Task) -> Reading:
    invoice = await payable_invoice(task.subject_id)
    if invoice.status in ("void", "draft"):
        return Reading(words="There is nothing to send any more.")
    _refuse_too_small(invoice)
    raw = await _draft(account, task, invoice)
    raw = await _with_lines(account, task, invoice, raw)
    if raw["status"] == "draft":
        raw = await gateway.finalize_invoice(
            account, current_settings(), invoice=str(raw["id"]), key=f"{task.idempotency_key}:finalize"
        )
        # The answer to a repeated key is the first one, so what is current is read once more.
        if not task.first:
            raw = await gateway.retrieve_invoice(account, current_settings(), str(raw["id"]))
    return publication_of(account, raw, invoice.id)


def _refuse_too_small(invoice: PayableInvoice) -> None:
    least = least_charge(invoice.total.currency)
    if least is not None and invoice.total.amount_minor < least.amount_minor:
        raise AmountTooSmall(
            f"Stripe charges no less than {least.format()}.",
            hint="Void this invoice and add its lines to a larger one.",
        )


async def void_invoice(account: Account, task: Task) -> Reading:
    """Void Stripe's copy. One that was paid meanwhile stays paid: the money decides."""
    try:
        return await _void(account, task)
    except FailureReplayed:
        return await _void(account, await renew_key(task))


async def _void(account: Account, task: Task) -> Reading:
    invoice = await payable_invoice(task.subject_id)
    if invoice.external_id is None:
        return Reading(words="Stripe never had it.")
    raw = await gateway.retrieve_invoice(account, current_settings(), invoice.external_id)
    if raw["status"] in ("open", "uncollectible"):
        raw = await gateway.void_invoice(
            account, current_settings(), invoice=invoice.external_id, key=f"{task.idempotency_key}:void"
        )
    return reading_of_invoice(account, raw, invoice.id)


async def _draft(account: Account, task: Task, invoice: PayableInvoice) -> Raw:
    """Stripe's copy: the known one, the one an earlier attempt made, else a new draft."""
    if invoice.external_id:
        return await gateway.retrieve_invoice(account, current_settings(), invoice.external_id)
    customer = await stripe_customer_for(account, invoice, task)
    try:
        return await _draft_for(account, task, invoice, customer)
    except CallRefused as refused:
        if refused.param != "customer" or refused.stripe_code != "resource_missing":
            raise
        await forget_customer(account, customer)
        raise FailureReplayed("Stripe's customer was deleted; another one is made.") from None


async def _draft_for(account: Account, task: Task, invoice: PayableInvoice, customer: str) -> Raw:
    settings = current_settings()
    if not task.first:
        since = task.created_at - timedelta(minutes=5)
        found = await gateway.find_invoice(
            account, settings, customer=customer, portal_key=invoice.key, since=since
        )
        if found:
            return await _remember(account, invoice, found)
    key = f"{task.idempotency_key}:create"
    made = await gateway.create_invoice(account, settings, key=key, customer=customer, invoice=invoice)
    if not task.first:
        made = await gateway.retrieve_invoice(account, settings, str(made["id"]))
    return await _remember(account, invoice, made)


async def _with_lines(account: Account, task: Task, invoice: PayableInvoice, raw: Raw) -> Raw:
    if raw["status"] == "draft" and not raw["lines"]["data"]:
        raw = await gateway.add_invoice_lines(
            account,
            current_settings(),
            draft=str(raw["id"]),
            key=f"{task.idempotency_key}:lines",
            invoice=invoice,
        )
    if int(raw["total"]) != invoice.total.amount_minor or raw["currency"] != invoice.total.currency:
        raise AmountsDiffer(
            f"Stripe's copy adds up to {read_invoice(raw).total.format()}, "
            f"this invoice to {invoice.total.format()}.",
            hint="Void this invoice and make it again.",
        )
    return raw


async def _remember(account: Account, invoice: PayableInvoice, raw: Raw) -> Raw:
    """Store the link at once, before the next call: an event may arrive, or this process may die."""
    async with transaction() as tx:
        await save_links(tx.connection, account, invoice.id, read_invoice(raw))
        await tx.connection.execute(
            "UPDATE invoice SET external_id = $2 WHERE id = $1 AND external_id IS NULL",
            invoice.id,
            str(raw["id"]),
        )
    return raw
