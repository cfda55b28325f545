"""Portal -> Stripe: one invoice of ours becomes one of Stripe's, whatever dies on the way."""

from __future__ import annotations

from contextlib import suppress

from plugins.stripe.domain.invoices import Raw, read_invoice
from plugins.stripe.domain.minimums import too_small
from plugins.stripe.gateway import payments as gateway
from plugins.stripe.gateway import reads
from plugins.stripe.gateway.client import CallRefused, FailureReplayed, ObjectMissing
from plugins.stripe.services.collecting import collect_invoice
from plugins.stripe.services.crediting import send_credit
from plugins.stripe.services.customer_pushes import push_customer
from plugins.stripe.services.customers import CLOCKS_APART, forget_customer, stripe_customer_for
from plugins.stripe.services.invoice_changes import (
    settle_invoice,
    uncollectible_invoice,
    void_invoice,
)
from plugins.stripe.services.links import forget_links, save_links
from plugins.stripe.services.method_changes import use_method
from plugins.stripe.services.payments import refresh_payment
from plugins.stripe.services.readings.invoices import publication_of
from plugins.stripe.services.refunding import send_refund
from plugins.stripe.services.reporting import report_payments
from plugins.stripe.services.subscription_changes import change_subscription
from plugins.stripe.services.subscription_starts import start_subscription
from plugins.stripe.services.turns import with_fresh_keys
from portal.sdk import (
    Account,
    Differing,
    Money,
    PayableInvoice,
    ProviderError,
    Reading,
    SidesDiffer,
    Task,
    current_settings,
    payable_invoice,
    run_task,
    transaction,
)


class AmountsDiffer(SidesDiffer):
    """Stripe adds up to another total than ours; nobody is asked to pay until a person looked."""

    code = "STRIPE_AMOUNTS_DIFFER"


class AmountTooSmall(ProviderError):
    """Stripe would call the invoice paid and put its amount on the customer's next one."""

    code = "STRIPE_AMOUNT_TOO_SMALL"


class CustomerOwes(ProviderError):
    """Stripe would ask for an older debt of the customer with this invoice: more than it says."""

    code = "STRIPE_CUSTOMER_OWES"


async def run_sync_task(task_id: int) -> None:
    """Do one task of the outbox."""
    await run_task(
        task_id,
        {
            "publish_invoice": publish_invoice,
            "void_invoice": void_invoice,
            "refresh_invoice": refresh_invoice,
            "uncollectible_invoice": uncollectible_invoice,
            "settle_invoice": settle_invoice,
            "report_payments": report_payments,
            "send_refund": send_refund,
            "send_credit": send_credit,
            "push_customer": push_customer,
            "change_subscription": change_subscription,
            "collect_invoice": collect_invoice,
            "use_method": use_method,
            "start_subscription": start_subscription,
        },
    )


async def refresh_invoice(account: Account, task: Task) -> Reading:
    """Read Stripe's copy as it is now, in its turn, and apply it: what happened while nobody listened."""
    await refresh_payment(account, task.subject_id)
    return Reading()


@with_fresh_keys
async def publish_invoice(account: Account, task: Task) -> Reading:
    """Make sure that Stripe has this invoice, finalised, once.

    Three calls, each with an idempotency key that was stored before the first one and a step that can be
    repeated: create, add lines, finalise. What is already done is seen in the invoice itself. A key for which
    Stripe stored a failure is replaced, after a look for what that failure may have left.
    """
    invoice = await payable_invoice(task.subject_id)
    if invoice.status in ("void", "draft") or _settled_before_it_left(task, invoice):
        return Reading(words="There is nothing to send any more.")
    _refuse_too_small(invoice)
    raw = await _draft(account, task, invoice)
    raw = await _with_lines(account, task, invoice, raw)
    if raw["status"] == "draft":
        _refuse_older_debt(raw)
        raw = await gateway.finalize_invoice(
            account, current_settings(), invoice=str(raw["id"]), key=f"{task.idempotency_key}:finalize"
        )
        # The answer to a repeated key is the first one, so what is current is read once more.
        if not task.first:
            raw = await reads.retrieve_invoice(account, current_settings(), str(raw["id"]))
    return publication_of(account, raw, invoice.id)


def _settled_before_it_left(task: Task, invoice: PayableInvoice) -> bool:
    return task.first and invoice.external_id is None and invoice.amount_due.amount_minor == 0


def _refuse_too_small(invoice: PayableInvoice) -> None:
    problem = too_small(invoice.total)
    if problem:
        raise AmountTooSmall(problem, hint="Void this invoice and add its lines to a larger one.")


def _refuse_older_debt(raw: Raw) -> None:
    """A draft says what the customer's balance is now; above zero they owe it."""
    owed = Money(int(raw.get("starting_balance") or 0), str(raw["currency"]))
    if owed.amount_minor > 0:
        raise CustomerOwes(
            f"The customer owes {owed.format()} in Stripe from before, and it would ask for that as well.",
            hint="Settle the customer's balance in Stripe, then try again.",
        )


async def _draft(account: Account, task: Task, invoice: PayableInvoice) -> Raw:
    """Stripe's copy: the known one, the one an earlier attempt made, else a new draft."""
    if invoice.external_id:
        return await _known_copy(account, invoice, invoice.external_id)
    customer = await stripe_customer_for(account, invoice, task)
    try:
        return await _draft_for(account, task, invoice, customer)
    except CallRefused as refused:
        if refused.param != "customer" or refused.stripe_code != "resource_missing":
            raise
        await forget_customer(account, customer)
        raise FailureReplayed("Stripe's customer was deleted; another one is made.") from None


async def _known_copy(account: Account, invoice: PayableInvoice, external_id: str) -> Raw:
    """Stripe's copy. Somebody may have deleted it there, which Stripe allows of drafts alone."""
    with suppress(ObjectMissing):
        raw = await reads.retrieve_invoice(account, current_settings(), external_id)
        if not raw.get("deleted"):
            return raw
    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE invoice SET external_id = NULL WHERE id = $1 AND external_id = $2",
            invoice.id,
            external_id,
        )
        await forget_links(tx.connection, account, external_id)
    raise FailureReplayed("Stripe's draft was deleted; another one is made.")


async def _draft_for(account: Account, task: Task, invoice: PayableInvoice, customer: str) -> Raw:
    settings = current_settings()
    if not task.first:
        since = task.created_at - CLOCKS_APART
        found = await gateway.find_invoice(
            account, settings, customer=customer, portal_key=invoice.key, since=since
        )
        if found:
            return await _remember(account, invoice, found)
    key = f"{task.idempotency_key}:create"
    made = await gateway.create_invoice(account, settings, key=key, customer=customer, invoice=invoice)
    if not task.first:
        made = await reads.retrieve_invoice(account, settings, str(made["id"]))
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
        theirs = read_invoice(raw).total
        raise AmountsDiffer(
            f"Stripe's copy adds up to {theirs.format()}, this invoice to {invoice.total.format()}.",
            hint="Choose which of the two counts.",
            external_id=str(raw["id"]),
            differing=Differing("total", _named(invoice.total), _named(theirs)),
        )
    return raw


def _named(total: Money) -> str:
    return f"{total.currency.upper()} {total.plain()}"


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
