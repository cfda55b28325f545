"""Refunds, credits and disputes of an invoice: the row of what was asked, the ledger, the log."""

from __future__ import annotations

from dataclasses import replace

from portal.audit.sources import Source
from portal.contract.facts import CreditSeen, DisputeSeen, PaymentSucceeded, RefundSeen
from portal.database.transaction import Connection
from portal.invoices.rows import LockedInvoice
from portal.money import Money
from portal.payments.credits import CreditStep, store_credit
from portal.payments.returns import RefundStep, bring_to, store_dispute, store_refund
from portal.payments.rules import CUSTOMER_CREDIT, REINSTATED, REVERSED
from portal.payments.services import LedgerEntry


async def apply_return(
    held: Connection, source: Source, invoice: LockedInvoice, fact: RefundSeen | CreditSeen | DisputeSeen
) -> str:
    """Keep what was asked back or taken off, and let the ledger follow; what changed, as a sentence."""
    match fact:
        case RefundSeen():
            return await apply_refund(held, source, invoice, fact)
        case CreditSeen():
            return await apply_credit(held, source, invoice, fact)
        case DisputeSeen():
            return await apply_dispute(held, source, invoice, fact)


async def apply_refund(held: Connection, source: Source, invoice: LockedInvoice, fact: RefundSeen) -> str:
    """Keep the refund and let the ledger follow; returns what changed, as a sentence."""
    invoice.must_match(fact.amount, "A refund")
    step = await store_refund(held, source.account_id, source.mode, fact)
    if step is None:
        return ""
    gone = -fact.amount.amount_minor if step.after == "succeeded" else 0
    entry = _entry(source, invoice, fact, gone)
    moved = await bring_to(held, entry, back=REVERSED)
    words = _refund_words(fact, step, moved)
    action = "payment.refunded" if fact.status == "succeeded" else "payment.refund_changed"
    source.note((action, words), ("invoice", invoice.id), {"refund": fact.external_id, "status": fact.status})
    return words


async def apply_credit(held: Connection, source: Source, invoice: LockedInvoice, fact: CreditSeen) -> str:
    """Keep the credit and let the ledger follow; returns what changed, as a sentence.

    Only what it took off the debt moves the ledger. A note on what was paid already is told, and no more.
    """
    invoice.must_match(fact.amount, "A credit note")
    step = await store_credit(held, source.account_id, source.mode, fact)
    off = 0 if fact.status == "void" else fact.taken_off.amount_minor
    entry = LedgerEntry(
        invoice_id=invoice.id,
        account_id=source.account_id,
        mode=source.mode,
        kind="credit",
        external_id=fact.external_id,
        amount=Money(off, fact.taken_off.currency),
        occurred_at=fact.occurred_at,
        method=f"Credit note {fact.number}",
    )
    moved = await bring_to(held, entry, back=REVERSED)
    if step is None and moved is None:
        return ""
    words = _credit_words(fact, step)
    details = {"credit": fact.external_id, "status": fact.status}
    source.note(("invoice.credited", words), ("invoice", invoice.id), details)
    return words


async def apply_dispute(held: Connection, source: Source, invoice: LockedInvoice, fact: DisputeSeen) -> str:
    """Keep the dispute and let the ledger follow; returns what changed, as a sentence.

    One in another currency is kept in its own. The ledger follows only when it is known what was taken in the
    invoice's: else the money stands where it was, and people are told to look.
    """
    before = await store_dispute(held, source.account_id, source.mode, fact)
    taken = _taken(invoice, fact)
    gone = -taken.amount_minor if taken is not None and fact.withdrawn else 0
    entry = _entry(source, invoice, fact, gone)
    if fact.bounced:  # it takes away from what was received, instead of going back: so it is owed again
        entry = replace(entry, kind="payment")
    moved = await bring_to(held, entry, back=REINSTATED)
    if before is None and moved is None:
        return ""
    words = _bounce_words(fact) if fact.bounced else _dispute_words(fact, before, moved)
    if taken is None and fact.withdrawn:
        words += f" What it took in {invoice.currency.upper()} is not known: look in {source.actor.name}."
    source.note(
        ("payment.bounced" if fact.bounced else "payment.disputed", words),
        ("invoice", invoice.id),
        {"dispute": fact.external_id, "status": fact.status},
    )
    return words


def used_credit_words(moved: Money) -> str:
    """What the customer's credit settled, or got back of it, as a sentence."""
    shown = Money(abs(moved.amount_minor), moved.currency).format()
    if moved.amount_minor < 0:
        return f"{shown} of it went to the customer's balance."
    return f"The customer's credit settled {shown}."


async def apply_used_credit(
    held: Connection, source: Source, invoice: LockedInvoice, fact: PaymentSucceeded
) -> str:
    """Let the ledger follow what the customer's credit settles; returns what changed, as a sentence."""
    entry = LedgerEntry(
        invoice_id=invoice.id,
        account_id=source.account_id,
        mode=source.mode,
        kind="offline",
        external_id=fact.external_id,
        amount=fact.amount,
        occurred_at=fact.occurred_at,
        method=CUSTOMER_CREDIT,
    )
    moved = await bring_to(held, entry, back=REINSTATED)
    if moved is None:
        return ""
    words = used_credit_words(moved)
    source.note(("payment.received", words), ("invoice", invoice.id), {"payment": fact.external_id})
    return words


def _entry(
    source: Source, invoice: LockedInvoice, fact: RefundSeen | DisputeSeen, amount_minor: int
) -> LedgerEntry:
    return LedgerEntry(
        invoice_id=invoice.id,
        account_id=source.account_id,
        mode=source.mode,
        kind="refund" if isinstance(fact, RefundSeen) else "dispute",
        external_id=fact.external_id,
        amount=Money(amount_minor, invoice.currency),
        occurred_at=fact.occurred_at,
    )


def _taken(invoice: LockedInvoice, fact: DisputeSeen) -> Money | None:
    """What a bank took, in the invoice's currency; None: nobody says."""
    amounts = (amount for amount in (fact.amount, fact.taken) if amount is not None)
    return next((amount for amount in amounts if amount.currency == invoice.currency), None)


def _credit_words(fact: CreditSeen, step: CreditStep | None) -> str:
    name = f"Credit note {fact.number} of {fact.amount.format()}"
    if fact.status == "void":
        return f"{name} was voided." if step is None or step.before else f"{name} was issued and voided."
    owed = f"{fact.taken_off.format()} less is owed." if fact.taken_off.amount_minor else ""
    return " ".join(words for words in (f"{name} was issued.", owed, fact.aside) if words)


def _refund_words(fact: RefundSeen, step: RefundStep, moved: Money | None) -> str:
    amount = fact.amount.format()
    if fact.status == "succeeded":
        return f"Refunded {amount}."
    if fact.status == "failed" and moved is not None:
        return f"The refund of {amount} came back: {fact.failure or 'the provider does not say why.'}"
    if fact.status == "failed":
        return f"The refund of {amount} failed: {fact.failure or 'the provider does not say why.'}"
    if fact.status == "canceled":
        return f"The refund of {amount} was canceled."
    return f"A refund of {amount} is under way." if not step.before else f"The refund of {amount} is pending."


def _dispute_words(fact: DisputeSeen, before: str | None, moved: Money | None) -> str:
    said = []
    amount = fact.amount.format()
    if before == "":
        reason = f" ({fact.reason.replace('_', ' ')})" if fact.reason else ""
        said.append(f"The customer's bank disputes {amount}{reason}.")
    elif before is not None and before != fact.status:
        said.append(f"The dispute of {amount} went from {_plain(before)} to {_plain(fact.status)}.")
    if moved is not None:
        shown = Money(abs(moved.amount_minor), moved.currency).format()
        said.append(f"The bank {'took' if moved.amount_minor < 0 else 'gave'} {shown} back.")
    return " ".join(said) or f"The dispute of {amount} changed."


def _bounce_words(fact: DisputeSeen) -> str:
    amount, why = fact.amount.format(), fact.reason.replace("_", " ") or "it gives no reason"
    if not fact.withdrawn:
        return f"The bank's return of {amount} was taken back."
    return f"The bank did not pay {amount} after all: {why}. It is owed again."


def _plain(status: str) -> str:
    return status.replace("_", " ")
