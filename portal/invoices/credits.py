"""Credits that people give from here: a part of an invoice that is not asked for any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from portal.audit.services import Actor
from portal.database.transaction import Connection, transaction
from portal.errors import Conflict
from portal.invoices.facts import settle
from portal.invoices.owed import Owed, check_amount, lock_owed, note_on, shown
from portal.invoices.rules import PAYABLE, InvoiceStatus
from portal.money import Money
from portal.payments.credits import NewCredit, add_credit, count_of, requested_of
from portal.payments.services import LedgerEntry, record_entry
from portal.sync.queueing import queue_task


@dataclass(frozen=True, slots=True)
class CreditRequest:
    """What is to be taken off. `reason`: the provider's code or own words, which stand on the credit note."""

    amount: Money
    reason: str = ""


async def request_credit(invoice_id: int, wanted: CreditRequest, *, actor: Actor) -> int:
    """Take a part off what is owed; returns the credit's id.

    Where a provider has a copy of the invoice it issues the credit note, and the ledger follows; else the
    credit is issued at once.

    Raises:
        Conflict: nothing can be credited on it now, a payment is under way, or the copy is still on its way.
        InvalidInput: more than is owed apart from credits already asked for, nothing, or another currency.
    """
    async with transaction() as tx:
        held, row = tx.connection, await lock_owed(tx.connection, invoice_id)
        _must_be_creditable(row)
        _check(wanted, Money(row.due.amount_minor - await requested_of(held, invoice_id), row.due.currency))
        credit_id = await _add(held, row, wanted, actor)
        if row.account_id is None:
            await _issue(held, row, wanted, credit_id)
            what = ("invoice.credited", f"Credited {wanted.amount.format()}.")
        else:
            await queue_task(held, account_id=row.account_id, kind="send_credit", subject_id=credit_id)
            what = ("invoice.credit_requested", f"Asked for a credit of {wanted.amount.format()}.")
        await note_on(held, row, actor, what=what, details={"credit": credit_id, "reason": wanted.reason})
    return credit_id


def _must_be_creditable(row: Owed) -> None:
    if row.invoice.status is InvoiceStatus.PROCESSING:
        raise Conflict("A payment is under way.", hint="Give the credit when it has ended.")
    if row.invoice.status not in PAYABLE:
        raise Conflict(f"An invoice that is {shown(row.invoice.status)} takes no credit.")
    if row.account_id is not None and row.external_id is None:
        raise Conflict(
            "The provider does not have this invoice yet.",
            hint="Wait until it is there, or send it again, and give the credit then.",
        )


def _check(wanted: CreditRequest, most: Money) -> None:
    check_amount(wanted.amount, most, f"Only {most.format()} can be credited.")


async def _add(held: Connection, row: Owed, wanted: CreditRequest, actor: Actor) -> int:
    credit = NewCredit(
        invoice_id=row.invoice.id,
        account_id=row.account_id,
        mode=row.mode,
        amount=wanted.amount,
        status="issued" if row.account_id is None else "requested",
        reason=wanted.reason,
        requested_by=actor.name,
    )
    return await add_credit(held, credit)


async def _issue(held: Connection, row: Owed, wanted: CreditRequest, credit_id: int) -> None:
    """Let the ledger say at once what a provider's credit note would make it say."""
    number = f"{row.invoice.number}-C{await count_of(held, row.invoice.id)}"
    entry = LedgerEntry(
        invoice_id=row.invoice.id,
        account_id=None,
        mode=row.mode,
        kind="credit",
        external_id=f"credit:{credit_id}",
        amount=wanted.amount,
        occurred_at=datetime.now(UTC),
        method=f"Credit note {number}",
    )
    await record_entry(held, entry)
    await settle(held, row.invoice, [])
