"""How a provider's facts change an invoice: ledger first, then the status follows from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from portal.audit.sources import Source
from portal.contract.facts import (
    AttemptsUnderWay,
    CollectionSeen,
    CreditSeen,
    DisputeSeen,
    InvoiceClosed,
    InvoiceFact,
    InvoicePublished,
    PaymentFailed,
    PaymentProcessing,
    PaymentSucceeded,
    RefundSeen,
)
from portal.database.transaction import Connection
from portal.finance.services import zone_of_days
from portal.invoices.late_failures import is_open_again, under_way_of, write_of_failure
from portal.invoices.returns import apply_return, apply_used_credit
from portal.invoices.rows import LockedInvoice, lock_invoice
from portal.invoices.rules import InvoiceStatus, Standing, collection_words, next_status
from portal.invoices.told_back import without_told_back
from portal.money import Money
from portal.payments.services import (
    Attempt,
    LedgerEntry,
    Recorded,
    close_other_attempts,
    record_attempt,
    record_entry,
    sums_of,
)
from portal.sync.queueing import TOLD_ON_INVOICE, queue_task


async def apply_invoice_facts(
    connection: Connection, source: Source, invoice_id: int, facts: Sequence[InvoiceFact]
) -> str:
    """Apply facts to one invoice inside the caller's transaction; returns what changed, as a sentence.

    Whatever invoice they name, they are about this one. Its row is locked first, so two callers take turns.
    Repeated facts change nothing. What is noted of them stays with the source: write it at the end.

    Raises:
        EventQuarantined: the invoice belongs to another connection or mode, or the currency differs.
    """
    invoice = await lock_invoice(connection, source, invoice_id)
    facts = _refusals_first([replace(fact, invoice_id=invoice.id) for fact in facts])
    facts = await without_told_back(connection, invoice_id, facts)
    if any(isinstance(fact, PaymentProcessing) for fact in facts):
        invoice = replace(invoice, under_way=True)
    awaited = await under_way_of(connection, invoice)
    said = [words for fact in facts if (words := await _apply(connection, source, invoice, fact))]
    status = await settle(connection, invoice, facts)
    if is_open_again(invoice.status, status):
        await write_of_failure(connection, source, invoice_id, facts, awaited=awaited)
    if status is InvoiceStatus.VOID:
        await _void_the_copy(connection, source, invoice, facts)
    if status is not invoice.status:
        said.append(f"{invoice.number} is {status.value.replace('_', ' ')}.")
    if said:
        source.announce(f"invoice:{invoice_id}")
    return " ".join(said)


def _refusals_first(facts: Sequence[InvoiceFact]) -> list[InvoiceFact]:
    """An attempt ends with its reason, before it would be ended as one that is under way no more."""
    return sorted(facts, key=lambda fact: not isinstance(fact, PaymentFailed))


async def _apply(connection: Connection, source: Source, invoice: LockedInvoice, fact: InvoiceFact) -> str:
    words = ""
    match fact:
        case PaymentSucceeded():
            words = await _received(connection, source, invoice, fact)
        case PaymentProcessing():
            words = await _under_way(connection, source, invoice, fact)
        case PaymentFailed():
            words = await _failed(connection, source, invoice, fact)
        case AttemptsUnderWay():
            if invoice.under_way:
                await close_other_attempts(connection, invoice.id, fact.attempt_ids)
        case InvoicePublished():
            words = await _published(connection, source, invoice, fact)
        case CollectionSeen():
            words = await _collected(connection, invoice, fact)
        case RefundSeen() | CreditSeen() | DisputeSeen():
            words = await apply_return(connection, source, invoice, fact)
    return words


async def _received(
    connection: Connection, source: Source, invoice: LockedInvoice, fact: PaymentSucceeded
) -> str:
    invoice.must_match(fact.amount, "A payment")
    if fact.from_credit:
        return await apply_used_credit(connection, source, invoice, fact)
    attempt = _attempt(source, fact, fact.attempt_id, "succeeded") if fact.attempt_id else None
    entry = LedgerEntry(
        invoice_id=invoice.id,
        account_id=source.account_id,
        mode=source.mode,
        kind="offline" if fact.offline else "payment",
        external_id=fact.external_id,
        amount=fact.amount,
        occurred_at=fact.occurred_at,
        method=fact.method,
    )
    recorded = await record_entry(connection, entry, attempt)
    if recorded is not Recorded.ADDED:
        return f"It was paid by {fact.method}." if recorded is Recorded.COMPLETED else ""
    words = received_words(fact.amount, fact.method)
    source.note(("payment.received", words), ("invoice", invoice.id), {"payment": fact.external_id})
    return words


def received_words(amount: Money, method: str | None) -> str:
    """A payment as a sentence."""
    return f"Received {amount.format()} by {method}." if method else f"Received {amount.format()}."


async def _under_way(
    connection: Connection, source: Source, invoice: LockedInvoice, fact: PaymentProcessing
) -> str:
    invoice.must_match(fact.amount, "A payment")
    attempt = _attempt(source, fact, fact.attempt_id, "processing")
    if not await record_attempt(connection, attempt):
        return ""
    words = f"A payment of {fact.amount.format()} is under way."
    source.note(("payment.processing", words), ("invoice", invoice.id), {"attempt": fact.attempt_id})
    return words


async def _failed(connection: Connection, source: Source, invoice: LockedInvoice, fact: PaymentFailed) -> str:
    attempt = _attempt(source, fact, fact.attempt_id, "failed")
    if not await record_attempt(connection, attempt):
        return ""
    words = f"A payment of {fact.amount.format()} failed: {fact.reason}"
    details = {"attempt": fact.attempt_id, "code": fact.code}
    source.note(("payment.failed", words), ("invoice", invoice.id), details)
    return words


async def _published(
    connection: Connection, source: Source, invoice: LockedInvoice, fact: InvoicePublished
) -> str:
    told = (fact.external_id, fact.external_number or "", fact.hosted_url or "")
    if invoice.copy == (*told, "in_step"):
        return ""
    changed = await connection.fetchval(
        _PUBLISH, invoice.id, *told, list(TOLD_ON_INVOICE - {"publish_invoice"})
    )
    if changed is None:
        return ""
    words = f"{source.actor.name} has the invoice as {fact.external_number or fact.external_id}."
    source.note(("invoice.published", words), ("invoice", invoice.id), {"external_id": fact.external_id})
    return words


async def _collected(connection: Connection, invoice: LockedInvoice, fact: CollectionSeen) -> str:
    now = (fact.attempts, fact.next_attempt_at, fact.failure)
    if now == invoice.collection or not (fact.next_attempt_at or fact.failure):
        return ""
    return collection_words(*now, zone=await zone_of_days(connection))


async def settle(
    connection: Connection, invoice: LockedInvoice, facts: Sequence[InvoiceFact]
) -> InvoiceStatus:
    """Decide the status from the rows, and store it with what the facts say of the collection."""
    if invoice.status is InvoiceStatus.DRAFT:
        await _store(connection, invoice, (invoice.status, 0, 0), facts)
        return invoice.status
    sums = await sums_of(connection, invoice.id)
    status = next_status(
        Standing(
            invoice.total_minor,
            sums.received_minor,
            sums.returned_minor,
            sums.processing,
            _closed(invoice, facts),
            sums.held_minor,
            sums.credited_minor,
        )
    )
    settled = sums.received_minor + sums.credited_minor
    paid, returned = max(settled - sums.returned_minor, 0), min(sums.returned_minor, settled)
    await _store(connection, invoice, (status, paid, returned), facts)
    return status


async def _store(
    connection: Connection,
    invoice: LockedInvoice,
    standing: tuple[InvoiceStatus, int, int],
    facts: Sequence[InvoiceFact],
) -> None:
    seen = next((fact for fact in reversed(facts) if isinstance(fact, CollectionSeen)), None)
    now = (seen.attempts, seen.next_attempt_at, seen.failure) if seen else invoice.collection
    if standing == (invoice.status, *(invoice.amounts or ())) and now == invoice.collection:
        return
    status, paid, returned = standing
    closed_at = next((fact.occurred_at for fact in facts if isinstance(fact, InvoiceClosed)), None)
    await connection.execute(
        _STORE,
        invoice.id,
        status.value,
        paid,
        returned,
        closed_at or datetime.now(UTC),
        *(now if now != invoice.collection else (None, None, None)),
    )


_STORE = """
UPDATE invoice i SET status = $2, amount_paid_minor = $3, amount_returned_minor = $4, version = version + 1,
       voided_at = CASE WHEN $2 = 'void' THEN coalesce(voided_at, $5) ELSE voided_at END,
       paid_at = CASE WHEN $2 = 'paid' THEN coalesce(paid_at, (
           SELECT max(occurred_at) FROM payment p
           WHERE p.invoice = i.id AND p.kind IN ('payment', 'offline', 'credit')), now())
           WHEN $2 = 'refunded' THEN paid_at END,
       attempts = coalesce($6::bigint, attempts),
       next_attempt_at = CASE WHEN $6::bigint IS NULL THEN next_attempt_at ELSE $7::timestamptz END,
       collection_failure = coalesce($8::text, collection_failure)
WHERE id = $1
      AND ($6::bigint IS NOT NULL OR (status, amount_paid_minor, amount_returned_minor)
                             IS DISTINCT FROM ($2, $3::bigint, $4::bigint))
"""


def _closed(invoice: LockedInvoice, facts: Sequence[InvoiceFact]) -> InvoiceStatus | None:
    """Who declared what: void is for good, whatever else the provider says of its copy."""
    if invoice.closed is InvoiceStatus.VOID:
        return invoice.closed
    return next((InvoiceStatus(f.status) for f in facts if isinstance(f, InvoiceClosed)), invoice.closed)


async def _void_the_copy(
    connection: Connection, source: Source, invoice: LockedInvoice, facts: Sequence[InvoiceFact]
) -> None:
    """Ask for the provider's copy to be voided when it is open though ours is void.

    Somebody voided the invoice while it was on its way: the copy came into being afterwards. One that is paid
    stays so, also when its bank took the money back: each answer would be a reason to ask again.
    """
    there = any(isinstance(fact, InvoicePublished) and fact.status != "paid" for fact in facts)
    void_there = any(isinstance(fact, InvoiceClosed) and fact.status == "void" for fact in facts)
    if there and not void_there:
        await queue_task(connection, account_id=source.account_id, kind="void_invoice", subject_id=invoice.id)


def _attempt(
    source: Source, fact: PaymentSucceeded | PaymentProcessing | PaymentFailed, attempt_id: str, state: str
) -> Attempt:
    return Attempt(
        invoice_id=fact.invoice_id,
        account_id=source.account_id,
        mode=source.mode,
        external_id=attempt_id,
        state=state,
        amount=fact.amount,
        occurred_at=fact.occurred_at,
        method=fact.method,
        code=fact.code if isinstance(fact, PaymentFailed) else "",
        reason=fact.reason if isinstance(fact, PaymentFailed) else "",
        expected_at=fact.expected_at if isinstance(fact, PaymentProcessing) else None,
    )


_PUBLISH = """
UPDATE invoice i SET external_id = $2, external_number = $3, hosted_url = $4, sync_state = step.after,
       sync_error = CASE step.after WHEN 'in_step' THEN '' ELSE i.sync_error END, synced_at = now()
FROM (SELECT CASE WHEN EXISTS (SELECT FROM sync_task WHERE kind = ANY ($5::text[]) AND subject_id = $1
                               AND state <> 'done') THEN sync_state ELSE 'in_step' END AS after
      FROM invoice WHERE id = $1 LIMIT 1) AS step
WHERE i.id = $1 AND (i.external_id IS NULL OR i.external_id = $2)
  AND (i.external_id, i.external_number, i.hosted_url, i.sync_state) IS DISTINCT FROM ($2, $3, $4, step.after)
RETURNING i.external_id
"""
"""What else the provider has to hear of it, or refused to, keeps the invoice out of step."""
