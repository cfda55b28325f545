"""How a provider's facts change an invoice: ledger first, then the status follows from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.audit.services import Actor, record
from portal.contract.errors import EventQuarantined
from portal.contract.facts import (
    AttemptsUnderWay,
    Fact,
    InvoiceClosed,
    InvoicePublished,
    Mode,
    PaymentFailed,
    PaymentProcessing,
    PaymentSucceeded,
)
from portal.database.transaction import Connection
from portal.invoices.rules import InvoiceStatus, Standing, next_status
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
from portal.sync.services import queue_task
from portal.web.live import announce

InvoiceFact = (
    PaymentSucceeded | PaymentProcessing | PaymentFailed | AttemptsUnderWay | InvoiceClosed | InvoicePublished
)


@dataclass(frozen=True, slots=True)
class Source:
    """Who says so: the connection whose provider the facts come from."""

    account_id: int
    mode: Mode
    actor: Actor


@dataclass(frozen=True, slots=True)
class _Invoice:
    id: int
    number: str
    status: InvoiceStatus
    currency: str
    total_minor: int
    closed: InvoiceStatus | None


async def apply_invoice_facts(
    connection: Connection, source: Source, invoice_id: int, facts: Sequence[Fact]
) -> str:
    """Apply facts about one invoice inside the caller's transaction; returns what changed, as a sentence.

    The invoice's row is locked first, so two callers take turns. Repeated facts change nothing.

    Raises:
        EventQuarantined: the invoice belongs to another connection or mode, or the currency differs.
    """
    invoice = await _lock(connection, source, invoice_id)
    said = [words for fact in facts if (words := await _apply(connection, source, invoice, fact))]
    status = await _settle(connection, invoice, facts)
    if status is InvoiceStatus.VOID:
        await _void_the_copy(connection, source, invoice, facts)
    if status is not invoice.status:
        said.append(f"{invoice.number} is {status.value.replace('_', ' ')}.")
    if said:
        await announce(connection, f"invoice:{invoice_id}")
    return " ".join(said)


async def _lock(connection: Connection, source: Source, invoice_id: int) -> _Invoice:
    row = await connection.fetchrow(
        """
        SELECT id, coalesce(number, '') AS number, status, currency, total_minor
        FROM invoice WHERE id = $1 AND account = $2 AND mode = $3 FOR UPDATE
        """,
        invoice_id,
        source.account_id,
        source.mode.value,
    )
    if row is None:
        raise EventQuarantined("The invoice belongs to another connection.")
    status = InvoiceStatus(row["status"])
    closed = status if status in (InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE) else None
    return _Invoice(row["id"], row["number"], status, row["currency"], row["total_minor"], closed)


async def _apply(connection: Connection, source: Source, invoice: _Invoice, fact: Fact) -> str:
    match fact:
        case PaymentSucceeded():
            return await _received(connection, source, invoice, fact)
        case PaymentProcessing():
            return await _under_way(connection, source, invoice, fact)
        case PaymentFailed():
            return await _failed(connection, source, invoice, fact)
        case AttemptsUnderWay():
            await close_other_attempts(connection, invoice.id, fact.attempt_ids)
        case InvoicePublished():
            return await _published(connection, source, invoice, fact)
    return ""


async def _received(connection: Connection, source: Source, invoice: _Invoice, fact: PaymentSucceeded) -> str:
    _same_currency(invoice, fact.amount)
    if fact.attempt_id:
        await record_attempt(connection, _attempt(source, fact, fact.attempt_id, "succeeded"))
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
    recorded = await record_entry(connection, entry)
    if recorded is not Recorded.ADDED:
        return f"It was paid by {fact.method}." if recorded is Recorded.COMPLETED else ""
    by = f" by {fact.method}" if fact.method else ""
    words = f"Received {fact.amount.format()}{by}."
    await _note(
        connection, source, invoice, ("payment.received", words), details={"payment": fact.external_id}
    )
    return words


async def _under_way(
    connection: Connection, source: Source, invoice: _Invoice, fact: PaymentProcessing
) -> str:
    _same_currency(invoice, fact.amount)
    attempt = _attempt(source, fact, fact.attempt_id, "processing")
    if not await record_attempt(connection, attempt):
        return ""
    words = f"A payment of {fact.amount.format()} is under way."
    await _note(
        connection, source, invoice, ("payment.processing", words), details={"attempt": fact.attempt_id}
    )
    return words


async def _failed(connection: Connection, source: Source, invoice: _Invoice, fact: PaymentFailed) -> str:
    attempt = _attempt(source, fact, fact.attempt_id, "failed")
    if not await record_attempt(connection, attempt):
        return ""
    words = f"A payment of {fact.amount.format()} failed: {fact.reason}"
    details = {"attempt": fact.attempt_id, "code": fact.code}
    await _note(connection, source, invoice, ("payment.failed", words), details=details)
    return words


async def _published(
    connection: Connection, source: Source, invoice: _Invoice, fact: InvoicePublished
) -> str:
    changed = await connection.fetchval(
        """
        UPDATE invoice SET external_id = $2, external_number = $3, hosted_url = $4, sync_state = 'in_step',
               sync_error = '', synced_at = now()
        WHERE id = $1 AND (external_id IS NULL OR external_id = $2)
          AND (external_id, external_number, hosted_url, sync_state)
              IS DISTINCT FROM ($2, $3, $4, 'in_step')
        RETURNING external_id
        """,
        invoice.id,
        fact.external_id,
        fact.external_number or "",
        fact.hosted_url or "",
    )
    if changed is None:
        return ""
    words = f"{source.actor.name} has the invoice as {fact.external_number or fact.external_id}."
    await _note(
        connection, source, invoice, ("invoice.published", words), details={"external_id": fact.external_id}
    )
    return words


async def _settle(connection: Connection, invoice: _Invoice, facts: Sequence[Fact]) -> InvoiceStatus:
    """Decide the status from the rows and store it."""
    if invoice.status is InvoiceStatus.DRAFT:
        return invoice.status
    closed = _closed(invoice, facts)
    sums = await sums_of(connection, invoice.id)
    status = next_status(
        Standing(invoice.total_minor, sums.received_minor, sums.returned_minor, sums.processing, closed)
    )
    paid = max(sums.received_minor - sums.returned_minor, 0)
    await connection.execute(
        """
        UPDATE invoice SET status = $2, amount_paid_minor = $3, version = version + 1,
               paid_at = CASE WHEN $2 = 'paid' THEN coalesce(paid_at, now()) ELSE paid_at END,
               voided_at = CASE WHEN $2 = 'void' THEN coalesce(voided_at, now()) ELSE voided_at END
        WHERE id = $1 AND (status, amount_paid_minor) IS DISTINCT FROM ($2, $3::bigint)
        """,
        invoice.id,
        status.value,
        paid,
    )
    return status


def _closed(invoice: _Invoice, facts: Sequence[Fact]) -> InvoiceStatus | None:
    """Who declared what: void is for good, whatever else the provider says of its copy."""
    if invoice.closed is InvoiceStatus.VOID:
        return invoice.closed
    return next((InvoiceStatus(f.status) for f in facts if isinstance(f, InvoiceClosed)), invoice.closed)


async def _void_the_copy(
    connection: Connection, source: Source, invoice: _Invoice, facts: Sequence[Fact]
) -> None:
    """Ask for the provider's copy to be voided when it is open though ours is void.

    Somebody voided the invoice while it was on its way: the copy came into being afterwards.
    """
    there = any(isinstance(fact, InvoicePublished) for fact in facts)
    void_there = any(isinstance(fact, InvoiceClosed) and fact.status == "void" for fact in facts)
    if there and not void_there:
        await queue_task(connection, account_id=source.account_id, kind="void_invoice", subject_id=invoice.id)


async def _note(
    connection: Connection,
    source: Source,
    invoice: _Invoice,
    what: tuple[str, str],
    *,
    details: dict[str, str],
) -> None:
    await record(
        connection,
        actor=source.actor,
        action=what[0],
        words=what[1],
        subject=("invoice", str(invoice.id)),
        mode=source.mode.value,
        details=details,
    )


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


def _same_currency(invoice: _Invoice, amount: Money) -> None:
    if amount.currency != invoice.currency:
        raise EventQuarantined(
            f"A payment in {amount.currency.upper()} was reported "
            f"for an invoice in {invoice.currency.upper()}."
        )
