"""Many invoices at once: which facts say nothing new, and those that are new with their money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from portal.audit.sources import Source
from portal.contract.facts import (
    AttemptsUnderWay,
    CollectionSeen,
    CreditSeen,
    DisputeSeen,
    InvoiceClosed,
    InvoiceFact,
    InvoicePublished,
    InvoiceSeen,
    PaymentFailed,
    PaymentProcessing,
    PaymentSucceeded,
    RefundSeen,
)
from portal.database.transaction import Connection
from portal.invoices.facts import received_words, settle
from portal.invoices.imports import ORIGIN, NewInvoice, closed_by, make_invoices
from portal.invoices.returns import used_credit_words
from portal.invoices.rows import lock_invoice
from portal.payments.rules import follows
from portal.payments.services import Attempt, LedgerEntry, record_entries, record_successes


@dataclass(slots=True)
class KnownInvoice:
    """An invoice as it is stored, with the names of everything that is stored of it."""

    row: Mapping[str, Any]
    payments: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Kind and name -> whether its method is known."""
    attempts: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """Name -> state, and whether its method is known."""
    refunds: dict[str, str] = field(default_factory=dict)
    disputes: dict[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnownInvoices:
    """What is stored of the invoices that a page is about."""

    by_id: Mapping[int, KnownInvoice]
    by_external_id: Mapping[str, KnownInvoice]
    zone: ZoneInfo

    def of(self, invoice_id: int | None, seen: InvoiceSeen | None) -> KnownInvoice | None:
        """The invoice that a reading is about, if it is known."""
        if seen is not None:
            return self.by_external_id.get(seen.external_id)
        return self.by_id.get(invoice_id or 0)


async def known_invoices(
    held: Connection, source: Source, ids: Iterable[int], external_ids: Iterable[str]
) -> KnownInvoices:
    """Read what is stored of these invoices, in a handful of queries."""
    rows = await held.fetch(_INVOICES, source.account_id, list(ids), list(external_ids))
    zone = await held.fetchval("SELECT time_zone FROM organisation LIMIT 1")
    known = {row["id"]: KnownInvoice(row) for row in rows}
    if known:
        await _read_money(held, known)
    by_external_id = {str(each.row["external_id"]): each for each in known.values()}
    return KnownInvoices(known, by_external_id, ZoneInfo(zone or "UTC"))


def says_nothing_new(
    known: KnownInvoice, zone: ZoneInfo, seen: InvoiceSeen | None, facts: Iterable[InvoiceFact]
) -> bool:
    """Whether everything that the facts say is stored already."""
    if seen is not None and not _is_same(known, zone, seen):
        return False
    return all(_is_known(known, zone, fact) for fact in facts)


def new_invoice(seen: InvoiceSeen, facts: Sequence[InvoiceFact]) -> NewInvoice | None:
    """The invoice with its money when all of it can be stored in bulk; None: one fact after the other."""
    payments = tuple(f for f in facts if isinstance(f, PaymentSucceeded) and not _is_unused_credit(f))
    simple = all(
        isinstance(fact, PaymentSucceeded | CollectionSeen | InvoiceClosed | InvoicePublished)
        or (isinstance(fact, AttemptsUnderWay) and not fact.attempt_ids)
        for fact in facts
    )
    names = {payment.external_id for payment in payments}
    if not simple or len(names) < len(payments):
        return None
    if any(payment.amount.currency != seen.total.currency for payment in payments):
        return None
    collection = next((fact for fact in facts if isinstance(fact, CollectionSeen)), None)
    closed = next((fact for fact in facts if isinstance(fact, InvoiceClosed)), closed_by(seen))
    return NewInvoice(seen, payments, collection, closed)


def _is_unused_credit(fact: PaymentSucceeded) -> bool:
    return fact.from_credit and not fact.amount.amount_minor


async def add_invoices(held: Connection, source: Source, wanted: Sequence[NewInvoice]) -> dict[str, int]:
    """Make the invoices with their lines, payments and notes; ids by the provider's ids.

    Those that somebody else made meanwhile are not among them.
    """
    made = await make_invoices(held, source, wanted)
    by_id = {made[new.seen.external_id]: new for new in wanted if new.seen.external_id in made}
    paid = [(invoice_id, payment) for invoice_id, new in by_id.items() for payment in new.payments]
    added = await record_entries(held, [_entry(source, *each) for each in paid])
    await record_successes(held, [_attempt(source, *each) for each in paid if each[1].attempt_id])
    for invoice_id, payment in paid:
        if (invoice_id, payment.external_id) in added:
            words = received_words(payment.amount, payment.method)
            if payment.from_credit:
                words = used_credit_words(payment.amount)
            source.note(
                ("payment.received", words), ("invoice", invoice_id), {"payment": payment.external_id}
            )
    # A payment that is in the ledger for another invoice pays none of these: their status is decided again.
    for invoice_id in sorted({id_ for id_, payment in paid if (id_, payment.external_id) not in added}):
        closed = by_id[invoice_id].closed
        await settle(held, await lock_invoice(held, source, invoice_id), [closed] if closed else [])
    return made


def _entry(source: Source, invoice_id: int, payment: PaymentSucceeded) -> LedgerEntry:
    return LedgerEntry(
        invoice_id=invoice_id,
        account_id=source.account_id,
        mode=source.mode,
        kind="offline" if payment.offline else "payment",
        external_id=payment.external_id,
        amount=payment.amount,
        occurred_at=payment.occurred_at,
        method=payment.method,
    )


def _attempt(source: Source, invoice_id: int, payment: PaymentSucceeded) -> Attempt:
    return Attempt(
        invoice_id=invoice_id,
        account_id=source.account_id,
        mode=source.mode,
        external_id=payment.attempt_id or "",
        state="succeeded",
        amount=payment.amount,
        occurred_at=payment.occurred_at,
        method=payment.method,
    )


def _is_same(known: KnownInvoice, zone: ZoneInfo, seen: InvoiceSeen) -> bool:
    row = known.row
    if row["origin"] != ORIGIN:
        return True
    subscription = seen.subscription_external_id or row["subscription_external_id"]
    says = (_day(seen.due_at, zone), seen.memo, subscription)
    if says != (row["due_date"], row["memo"], row["subscription_external_id"]):
        return False
    if seen.status != "open":
        return seen.status == "paid" or _is_closed(row, seen.status)
    amounts = (seen.total.currency, seen.total.amount_minor, seen.tax.amount_minor)
    stored = (row["currency"], row["total_minor"], row["tax_minor"])
    return amounts == stored and seen.hosted_url in ("", row["hosted_url"])


def _is_known(known: KnownInvoice, zone: ZoneInfo, fact: InvoiceFact) -> bool:  # noqa: PLR0911 - one case a fact
    row = known.row
    match fact:
        case PaymentSucceeded() if fact.from_credit:
            steps = [name for _, name in known.payments if f"{name}:".startswith(f"{fact.external_id}:")]
            return bool(fact.amount.amount_minor) == (len(steps) == 1)
        case PaymentSucceeded():
            has = known.payments.get(("offline" if fact.offline else "payment", fact.external_id))
            return has is not None and (has or not fact.method) and _is_tried(known, fact)
        case PaymentProcessing():
            return fact.attempt_id in known.attempts
        case PaymentFailed():
            return known.attempts.get(fact.attempt_id, ("processing", False))[0] != "processing"
        case AttemptsUnderWay():
            under_way = {name for name, (state, _) in known.attempts.items() if state == "processing"}
            return under_way <= fact.attempt_ids
        case InvoiceClosed():
            return _is_closed(row, fact.status)
        case InvoicePublished():
            return _is_published(row, zone, fact)
        case CollectionSeen():
            stored = (row["attempts"], row["next_attempt_at"], row["collection_failure"])
            return stored == (fact.attempts, fact.next_attempt_at, fact.failure)
        case RefundSeen() | CreditSeen() | DisputeSeen():
            return _is_known_return(known, fact)


def _is_known_return(known: KnownInvoice, fact: RefundSeen | CreditSeen | DisputeSeen) -> bool:
    match fact:
        case RefundSeen():
            before = known.refunds.get(fact.external_id)
            return before is not None and not follows(before, fact.status)
        case CreditSeen():
            return False  # no list tells of any
        case DisputeSeen():
            says = (fact.amount.amount_minor, fact.status, fact.reason, fact.respond_by, fact.withdrawn)
            return known.disputes.get(fact.external_id) == says


def _is_tried(known: KnownInvoice, fact: PaymentSucceeded) -> bool:
    if not fact.attempt_id:
        return True
    state, has_method = known.attempts.get(fact.attempt_id, ("processing", False))
    return state != "processing" and (has_method or not fact.method)


def _is_closed(row: Mapping[str, Any], status: str) -> bool:
    """Whether nobody needs to hear that the provider calls it void or uncollectible."""
    # A part that is settled need not be money: a credit keeps nobody from giving up the rest.
    return row["status"] in (status, "void", "paid", "refunded") or row["total_minor"] <= 0


def _is_published(row: Mapping[str, Any], zone: ZoneInfo, fact: InvoicePublished) -> bool:
    """Whether the copy's names are known, and what stands in it is what stands here, beyond doubt."""
    stored = (row["external_id"], row["external_number"], row["hosted_url"], row["sync_state"])
    says = (fact.external_id, fact.external_number or "", fact.hosted_url or "", "in_step")
    if stored != says or (fact.memo is not None and fact.memo != row["memo"]):
        return False
    total = (row["currency"], row["total_minor"])
    if fact.total is not None and total != (fact.total.currency, fact.total.amount_minor):
        return False
    day = _day(fact.due_at, zone)
    return day in (None, row["due_date"]) and _is_plain_pair(row, fact.status)


def _is_plain_pair(row: Mapping[str, Any], theirs: str | None) -> bool:
    """Whether nobody needs to hear of the one status from the other."""
    if theirs is None:
        return True
    expected = {
        "open": ("open", "processing"),
        "paid": ("paid", "refunded"),
        "void": ("void",),
        "uncollectible": ("uncollectible",),
    }
    return row["status"] in expected.get(theirs, ()) and (theirs == "void" or row["voided_at"] is None)


def _day(at: datetime | None, zone: ZoneInfo) -> date | None:
    return at.astimezone(zone).date() if at else None


async def _read_money(held: Connection, known: Mapping[int, KnownInvoice]) -> None:
    ids = list(known)
    for row in await held.fetch(_PAYMENTS, ids):
        known[row["invoice"]].payments[row["kind"], row["external_id"]] = row["has_method"]
    for row in await held.fetch(_ATTEMPTS, ids):
        known[row["invoice"]].attempts[row["external_id"]] = (row["state"], row["has_method"])
    for row in await held.fetch(_REFUNDS, ids):
        known[row["invoice"]].refunds[row["external_id"]] = row["status"]
    for row in await held.fetch(_DISPUTES, ids):
        invoice_id, external_id, *stands = tuple(row)
        known[invoice_id].disputes[external_id] = tuple(stands)


def _each(names: str, query: str) -> str:
    """A look for each name, which goes by an index as soon as the planner knows of more than a few rows.

    Left to choose, it would rather read all that the account has, for each page of a backfill.
    """
    return f"""
    SELECT found.* FROM unnest({names}) AS wanted(name) CROSS JOIN LATERAL ({query} OFFSET 0) AS found
    """  # noqa: S608 - fragments of ours


_STORED = """
SELECT id, account, origin, status, currency, total_minor, tax_minor, amount_paid_minor,
       amount_returned_minor, due_date, memo, subscription_external_id, hosted_url, external_id,
       external_number, sync_state, attempts, next_attempt_at, collection_failure, voided_at
FROM invoice
"""
_BY_ID = _each("$2::bigint[]", f"{_STORED} WHERE id = wanted.name")
_BY_NAME = _each("$3::text[]", f"{_STORED} WHERE account = $1 AND external_id = wanted.name")
_INVOICES = f"{_BY_ID} WHERE found.account = $1 UNION ALL {_BY_NAME}"
_MONEY_OF = "$1::bigint[]"
_PAYMENTS = _each(
    _MONEY_OF,
    """
    SELECT invoice, kind, external_id, method IS NOT NULL AS has_method FROM payment
    WHERE invoice = wanted.name
    """,
)
_ATTEMPTS = _each(
    _MONEY_OF,
    """
    SELECT invoice, external_id, state, method IS NOT NULL AS has_method FROM payment_attempt
    WHERE invoice = wanted.name
    """,
)
_REFUNDS = _each(
    _MONEY_OF,
    """
    SELECT invoice, external_id, status FROM refund
    WHERE invoice = wanted.name AND external_id IS NOT NULL
    """,
)
_DISPUTES = _each(
    _MONEY_OF,
    """
    SELECT invoice, external_id, amount_minor, status, reason, respond_by, withdrawn FROM dispute
    WHERE invoice = wanted.name
    """,
)
