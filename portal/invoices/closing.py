"""How people end an invoice without the pay page: given up, paid elsewhere, paid back."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from portal.audit.services import Actor
from portal.database.transaction import transaction
from portal.errors import Conflict, InvalidInput
from portal.invoices.facts import settle
from portal.invoices.owed import Owed, check_amount, lock_owed, note_on, shown, tell
from portal.invoices.rules import PAYABLE, InvoiceStatus
from portal.money import Money
from portal.payments.refundable import refundable_of
from portal.payments.rules import UNNAMED
from portal.payments.services import LedgerEntry, record_entry
from portal.sync.queueing import queue_task


@dataclass(frozen=True, slots=True)
class OfflinePayment:
    """Money that came without a provider. `method` in words: `Bank transfer`."""

    amount: Money
    method: str
    reference: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What is to go back of one payment."""

    payment_external_id: str
    amount: Money
    reason: str = ""


async def mark_uncollectible(invoice_id: int, *, actor: Actor) -> None:
    """Give the debt up, here and at the provider. It can still be paid.

    Raises:
        Conflict: it is not open.
    """
    async with transaction() as tx:
        held, row = tx.connection, await lock_owed(tx.connection, invoice_id)
        if row.invoice.status is not InvoiceStatus.OPEN:
            raise Conflict(
                f"An invoice that is {shown(row.invoice.status)} cannot be marked as uncollectible."
            )
        await held.execute(
            "UPDATE invoice SET status = 'uncollectible', version = version + 1 WHERE id = $1", invoice_id
        )
        await tell(held, row, "uncollectible_invoice")
        await note_on(
            held, row, actor, what=("invoice.uncollectible", "Marked as uncollectible."), details={}
        )


async def record_offline_payment(invoice_id: int, payment: OfflinePayment, *, actor: Actor) -> None:
    """Write money into the ledger that came by a bank transfer, in cash or by cheque.

    Raises:
        Conflict: nothing can be paid on it now, or a payment is under way.
        InvalidInput: more than is owed, nothing, another currency, or a day that has not come.
    """
    async with transaction() as tx:
        held, row = tx.connection, await lock_owed(tx.connection, invoice_id)
        if row.invoice.status not in PAYABLE:
            raise Conflict(f"An invoice that is {shown(row.invoice.status)} takes no payment.")
        _check_payment(row, payment)
        await record_entry(held, _entry(row, payment))
        status = await settle(held, row.invoice, [])
        await tell(held, row, "settle_invoice" if status is InvoiceStatus.PAID else "report_payments")
        by = f"{payment.method}, {payment.reference}" if payment.reference else payment.method
        words = f"Recorded {payment.amount.format()} by {by}."
        await note_on(held, row, actor, what=("payment.recorded", words), details={"at": payment.occurred_at})


async def request_refund(invoice_id: int, wanted: RefundRequest, *, actor: Actor) -> int:
    """Ask the provider to pay back; returns the refund's id. The ledger follows when the provider did it.

    Raises:
        Conflict: a payment is under way, or no provider holds that payment.
        InvalidInput: more than is left of the payment, nothing, or another currency.
    """
    async with transaction() as tx:
        held, row = tx.connection, await lock_owed(tx.connection, invoice_id)
        if row.invoice.status is InvoiceStatus.PROCESSING:
            raise Conflict("A payment is under way.", hint="Refund when it has ended.")
        left = await refundable_of(held, invoice_id, wanted.payment_external_id)
        if left is None or row.account_id is None:
            raise Conflict("No provider holds this payment.", hint="Pay the money back yourself.")
        _check_refund(wanted, left)
        refund_id: int = await held.fetchval(
            """
            INSERT INTO refund (invoice, account, mode, payment_external_id, amount_minor, currency, status,
                                reason, requested_by, created_at, changed_at)
            VALUES ($1, $2, $3, $4, $5, $6, 'requested', $7, $8, now(), now()) RETURNING id
            """,
            invoice_id,
            row.account_id,
            row.mode.value,
            wanted.payment_external_id,
            wanted.amount.amount_minor,
            wanted.amount.currency,
            wanted.reason,
            actor.name,
        )
        await queue_task(held, account_id=row.account_id, kind="send_refund", subject_id=refund_id)
        words = f"Asked for a refund of {wanted.amount.format()}."
        await note_on(
            held, row, actor, what=("payment.refund_requested", words), details={"refund": refund_id}
        )
    return refund_id


def _check_payment(row: Owed, payment: OfflinePayment) -> None:
    check_amount(payment.amount, row.due, f"Only {row.due.format()} is owed.")
    if payment.occurred_at > datetime.now(UTC):
        raise InvalidInput({"occurred_at": "This day has not come yet."})


def _check_refund(wanted: RefundRequest, left: Money) -> None:
    check_amount(wanted.amount, left, f"Only {left.format()} of this payment can be refunded.")


def _entry(row: Owed, payment: OfflinePayment) -> LedgerEntry:
    return LedgerEntry(
        invoice_id=row.invoice.id,
        account_id=None,
        mode=row.mode,
        kind="offline",
        external_id=f"{payment.reference or UNNAMED}:{uuid.uuid4().hex[:12]}",
        amount=payment.amount,
        occurred_at=payment.occurred_at,
        method=payment.method,
    )
