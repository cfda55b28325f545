"""Portal -> Stripe: a part of an invoice was paid elsewhere, so that the rest alone is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plugins.stripe.domain.invoices import Raw
from plugins.stripe.gateway import reads, settling
from plugins.stripe.gateway.client import CallRefused, ObjectMissing, PermissionMissing
from plugins.stripe.services.customers import CLOCKS_APART
from plugins.stripe.services.invoice_changes import NEVER_THERE, NOT_THERE, OWED
from plugins.stripe.services.turns import refresh_invoice_copy, with_fresh_keys
from portal.sdk import (
    Account,
    Money,
    OutsidePayment,
    ProviderError,
    Reading,
    Task,
    current_settings,
    outside_payments,
    payable_invoice,
)


class MayNotReport(ProviderError):
    """The key lacks the right. Until it has it Stripe asks for too much, and nobody can pay here."""

    code = "STRIPE_MAY_NOT_REPORT"


@with_fresh_keys
async def report_payments(account: Account, task: Task) -> Reading:
    """Tell Stripe of each payment that people recorded, once.

    Two calls for each: the report, which names our payment, and its attachment to the invoice. What is
    attached already is seen in the invoice; a report that an earlier attempt left unattached is found by its
    metadata.
    """
    invoice = await payable_invoice(task.subject_id)
    if invoice.external_id is None:
        return Reading(words=NEVER_THERE)
    try:
        there = await _report(account, task, invoice.external_id)
    except PermissionMissing as missing:
        raise _may_not(invoice.total, missing.right) from None
    if not there:
        return Reading(words=NOT_THERE)
    await refresh_invoice_copy(account, invoice.external_id)
    return Reading()


async def _report(account: Account, task: Task, stripe_invoice: str) -> bool:
    """Whether Stripe has the invoice."""
    raw = await _retrieved(account, stripe_invoice)
    if raw is None:
        return False
    done, left = _attached(raw), int(raw.get("amount_remaining") or 0)
    payments = [p for p in await outside_payments(task.subject_id) if p.key not in done]
    known = await _reported_before(account, task) if payments else {}
    for payment in payments:
        # What Stripe got meanwhile may leave less than that to be paid: reading it sorts it out.
        if raw["status"] not in OWED or payment.amount.amount_minor > left:
            break
        await _attach(account, task, raw, payment=payment, record=known.get(payment.key))
        left -= payment.amount.amount_minor
    return True


async def _attach(
    account: Account, task: Task, raw: Raw, *, payment: OutsidePayment, record: str | None
) -> None:
    settings, invoice = current_settings(), str(raw["id"])
    key = f"{task.idempotency_key}:{payment.id}"
    if record is None:
        record = await settling.report_payment(
            account, settings, payment=payment, customer=str(raw["customer"]), key=f"{key}:report"
        )
    try:
        await settling.attach_record(account, settings, invoice=invoice, record=record, key=f"{key}:attach")
    except CallRefused:
        # Somebody may have been quicker: then the invoice is not owed any more, or it is attached.
        now = await _retrieved(account, invoice)
        if now is not None and now["status"] in OWED and payment.key not in _attached(now):
            raise


async def _retrieved(account: Account, stripe_invoice: str) -> Raw | None:
    try:
        raw = await reads.retrieve_invoice_with_records(account, current_settings(), stripe_invoice)
    except ObjectMissing:
        return None
    return None if raw.get("deleted") else raw


async def _reported_before(account: Account, task: Task) -> Mapping[str, str]:
    """The records that earlier attempts made, attached or not, by the keys of our payments."""
    if task.first and not task.key_suffix:
        return {}
    since = task.created_at - CLOCKS_APART
    return _by_key(await reads.payment_records_since(account, current_settings(), since))


def _attached(raw: Raw) -> Mapping[str, str]:
    payments = (payment.get("payment") or {} for payment in (raw.get("payments") or {}).get("data") or ())
    records = (payment.get("payment_record") for payment in payments)
    return _by_key(record for record in records if isinstance(record, dict))


def _by_key(records: Iterable[Raw]) -> Mapping[str, str]:
    named = ((str((record.get("metadata") or {}).get(settling.PAYMENT_KEY)), record) for record in records)
    return {key: str(record["id"]) for key, record in named}


def _may_not(total: Money, right: str) -> MayNotReport:
    called = f" (Stripe calls it {right})" if right else ""
    return MayNotReport(
        f"Stripe still asks for all of {total.format()}: the key may not report what was paid elsewhere.",
        hint=f"Allow Payment Records: Write in Stripe{called}, then try again.",
    )
