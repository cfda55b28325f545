"""An invoice with its payments, as facts about one of ours or as one that Stripe made."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from plugins.stripe.domain.alerts import describe_failed_finalization
from plugins.stripe.domain.clearing import decided_by
from plugins.stripe.domain.declines import explain_decline
from plugins.stripe.domain.drawn_up import read_lines, subscription_of
from plugins.stripe.domain.invoices import InvoiceReading, Paid, Raw, Tried, read_invoice
from plugins.stripe.domain.methods import describe_method
from plugins.stripe.services.links import save_invoice, save_mirror
from portal.sdk import (
    UNKNOWN_INVOICE,
    Account,
    AlertRaised,
    AttemptsUnderWay,
    CollectionSeen,
    Connection,
    Fact,
    InvoiceClosed,
    InvoicePublished,
    InvoiceSeen,
    Money,
    PaymentFailed,
    PaymentProcessing,
    PaymentSucceeded,
    Reading,
    SeenLine,
    StoredEvent,
)

_Save = Callable[[Connection, int | None], Awaitable[None]]
CLOSED = ("void", "uncollectible")
DEBIT_BEGINS = ("charge.pending", "payment_intent.processing")
FINAL = ("void", "paid")
DRAFT = "It is a draft in Stripe. It is taken over when it is finalised."
CREDIT = "It gives the customer credit for later: there is nothing to pay."


def reading_of_invoice(
    account: Account,
    raw: Raw,
    invoice_id: int,
    events: Sequence[StoredEvent] = (),
    *,
    known: InvoiceReading | None = None,
) -> Reading:
    """Everything that a freshly read invoice of ours means, with the attempts that the events tell of.

    `known`: what `read_invoice` made of it, for callers who have that.
    """
    invoice = known or read_invoice(raw)
    facts = (*_publication(raw, invoice, invoice_id), *invoice_facts(invoice, invoice_id, events=events))
    return Reading(facts=facts, invoice_id=invoice_id, save=_saving(account, raw, invoice))


def reading_of_made_in_stripe(
    account: Account, raw: Raw, events: Sequence[StoredEvent] = (), *, known: InvoiceReading | None = None
) -> Reading:
    """The same of one that somebody, or a subscription, made in Stripe: the portal finds or makes its row."""
    invoice = known or read_invoice(raw)
    if invoice.status == "draft":
        return Reading(facts=tuple(_alerts(invoice, None)), words=DRAFT, ignored=not invoice.failure)
    if invoice.total.amount_minor < 0:
        return Reading(words=CREDIT, ignored=True)
    facts = (_seen(raw, invoice), *invoice_facts(invoice, UNKNOWN_INVOICE, events=events))
    return Reading(facts=facts, save=_saving(account, raw, invoice))


def _saving(account: Account, raw: Raw, invoice: InvoiceReading) -> _Save:
    async def save(held: Connection, invoice_id: int | None) -> None:
        if invoice_id is None:
            await save_mirror(held, account, raw)
        else:
            await save_invoice(held, account, raw, invoice_id=invoice_id, reading=invoice)

    return save


def publication_of(account: Account, raw: Raw, invoice_id: int) -> Reading:
    """What the answer to a call of ours means. It was read without the object's lock.

    A payment may have begun or ended since, and its events been handled: of an invoice that can still change,
    only that it exists is believed.
    """
    reading = reading_of_invoice(account, raw, invoice_id)
    if raw["status"] in FINAL:
        return reading
    known = tuple(replace(f, status=None) for f in reading.facts if isinstance(f, InvoicePublished))
    return replace(reading, facts=known)


def _publication(raw: Raw, invoice: InvoiceReading, invoice_id: int) -> Iterator[Fact]:
    if invoice.status != "draft":
        yield InvoicePublished(
            invoice_id=invoice_id,
            external_id=invoice.id,
            external_number=invoice.number,
            hosted_url=invoice.hosted_url,
            occurred_at=invoice.changed_at,
            status=invoice.status,
            total=invoice.total,
            due_at=_time(raw["due_date"]) if raw.get("due_date") else None,
            memo=str(raw.get("description") or ""),
        )


def invoice_facts(
    invoice: InvoiceReading,
    invoice_id: int,
    *,
    events: Sequence[StoredEvent] = (),
) -> Iterator[Fact]:
    """What happened to an invoice's money, with the attempts that events tell of."""
    charges = [charge for event in events if (charge := _charge_in(event))]
    methods = {str(c["id"]): describe_method(c.get("payment_method_details")) for c in charges}
    yield from (_failed_charge(invoice_id, c) for c in charges if c.get("status") == "failed")
    yield from (_succeeded(invoice_id, paid, methods) for paid in invoice.paid)
    if invoice.attempts_known:
        yield AttemptsUnderWay(invoice_id, invoice.under_way)
    started = _started(events)
    for tried in invoice.tried:
        if tried.failed:
            yield _failed_attempt(invoice_id, tried, methods, invoice.next_attempt_at)
        else:
            yield _under_way(invoice_id, tried, methods, started)
    yield CollectionSeen(invoice_id, invoice.attempts, invoice.next_attempt_at, invoice.failure)
    yield from _alerts(invoice, invoice_id)
    if invoice.status in CLOSED:
        yield InvoiceClosed(invoice_id, invoice.status, invoice.changed_at)


def _alerts(invoice: InvoiceReading, invoice_id: int | None) -> Iterator[AlertRaised]:
    """Stripe stopped before the invoice was finalised: nobody is asked to pay it until a person helps."""
    if invoice.status == "draft" and invoice.failure:
        words = describe_failed_finalization(invoice.number, invoice.failure)
        yield AlertRaised(
            f"{invoice.id}:finalization", "finalization_failed", words, datetime.now(UTC), invoice_id
        )


def _seen(raw: Raw, invoice: InvoiceReading) -> InvoiceSeen:
    drawn = read_lines(raw)
    finalised = (raw.get("status_transitions") or {}).get("finalized_at") or raw["created"]
    return InvoiceSeen(
        external_id=invoice.id,
        number=invoice.number or invoice.id,
        status=invoice.status,
        total=drawn.total,
        tax=drawn.tax,
        customer_external_id=invoice.customer or "",
        customer_name=str(raw.get("customer_name") or ""),
        customer_email=str(raw.get("customer_email") or ""),
        created_at=_time(raw["created"]),
        finalised_at=_time(finalised),
        due_at=_time(raw["due_date"]) if raw.get("due_date") else None,
        memo=str(raw.get("description") or ""),
        hosted_url=invoice.hosted_url or "",
        subscription_external_id=subscription_of(raw),
        lines=tuple(SeenLine(line.description, line.quantity, line.amount) for line in drawn.lines),
    )


def _succeeded(invoice_id: int, paid: Paid, methods: dict[str, str | None]) -> PaymentSucceeded:
    return PaymentSucceeded(
        invoice_id=invoice_id,
        external_id=paid.external_id,
        amount=paid.amount,
        occurred_at=paid.at,
        method=paid.method or methods.get(paid.attempt or ""),
        attempt_id=paid.attempt,
        offline=paid.offline,
        from_credit=paid.from_credit,
    )


def _started(events: Sequence[StoredEvent]) -> datetime | None:
    """When the debit began that these events tell of: the intent is as old as the invoice."""
    told = [json.loads(event.body) for event in events if event.type in DEBIT_BEGINS]
    return _time(min(event["created"] for event in told)) if told else None


def _under_way(
    invoice_id: int, tried: Tried, methods: dict[str, str | None], started: datetime | None
) -> PaymentProcessing:
    """A debit on its way. Stripe debits accounts of US banks alone in dollars, and says no day itself."""
    dated = started if tried.amount.currency == "usd" else None
    return PaymentProcessing(
        invoice_id=invoice_id,
        attempt_id=tried.attempt,
        amount=tried.amount,
        occurred_at=started or tried.at,
        method=methods.get(tried.attempt),
        expected_at=decided_by(dated) if dated else None,
    )


def _failed_attempt(
    invoice_id: int, tried: Tried, methods: dict[str, str | None], next_attempt_at: datetime | None
) -> PaymentFailed:
    decline = explain_decline(
        tried.code, tried.decline_code or None, tried.advice_code or None, bank=tried.bank
    )
    return PaymentFailed(
        invoice_id=invoice_id,
        attempt_id=tried.attempt,
        amount=tried.amount,
        occurred_at=tried.at,
        code=tried.decline_code or tried.code,
        reason=decline.admin,
        method=methods.get(tried.attempt),
        next_attempt_at=next_attempt_at,
    )


def _failed_charge(invoice_id: int, charge: Raw) -> PaymentFailed:
    """A failed charge stays failed, so its event may be believed as it is."""
    outcome: dict[str, Any] = charge.get("outcome") or {}
    code = str(charge.get("failure_code") or "")
    reason = str(outcome.get("reason") or "")
    details = charge.get("payment_method_details") or {}
    decline = explain_decline(
        code, reason or None, outcome.get("advice_code"), bank=details.get("type") == "us_bank_account"
    )
    return PaymentFailed(
        invoice_id=invoice_id,
        attempt_id=str(charge["id"]),
        amount=Money(int(charge["amount"]), str(charge["currency"])),
        occurred_at=_time(charge["created"]),
        code=reason or code,
        reason=decline.admin,
        method=describe_method(details),
    )


def _charge_in(event: StoredEvent) -> Raw | None:
    if event.object_kind != "charge":
        return None
    found: Raw = json.loads(event.body)["data"]["object"]
    return found


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
