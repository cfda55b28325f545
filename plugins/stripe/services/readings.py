"""From what Stripe's objects say to the portal's facts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from plugins.stripe.domain.declines import explain_decline
from plugins.stripe.domain.invoices import InvoiceReading, Paid, Raw, Tried, read_invoice
from plugins.stripe.domain.methods import describe_method
from plugins.stripe.services.links import save_links, save_mirror
from portal.sdk import (
    Account,
    AttemptsUnderWay,
    Connection,
    Fact,
    InvoiceClosed,
    InvoicePublished,
    Money,
    PaymentFailed,
    PaymentProcessing,
    PaymentSucceeded,
    Reading,
    StoredEvent,
)

CLOSED = ("void", "uncollectible")
FINAL = ("void", "paid")


def reading_of_invoice(
    account: Account, raw: Raw, invoice_id: int, events: Sequence[StoredEvent] = ()
) -> Reading:
    """Everything that a freshly read invoice means, with the attempts that the events tell of."""
    invoice = read_invoice(raw)
    charges = [charge for event in events if (charge := _charge_in(event))]
    methods = {str(c["id"]): describe_method(c.get("payment_method_details")) for c in charges}

    async def save(held: Connection) -> None:
        await save_links(held, account, invoice_id, invoice)
        await save_mirror(held, account, raw)

    return Reading(
        facts=tuple(_facts(invoice, invoice_id, charges, methods)), invoice_id=invoice_id, save=save
    )


def publication_of(account: Account, raw: Raw, invoice_id: int) -> Reading:
    """What the answer to a call of ours means. It was read without the object's lock.

    A payment may have begun or ended since, and its events been handled: of an invoice that can still change,
    only that it exists is believed.
    """
    reading = reading_of_invoice(account, raw, invoice_id)
    if raw["status"] in FINAL:
        return reading
    known = tuple(fact for fact in reading.facts if isinstance(fact, InvoicePublished))
    return replace(reading, facts=known)


def _facts(
    invoice: InvoiceReading, invoice_id: int, charges: Sequence[Raw], methods: dict[str, str | None]
) -> Iterator[Fact]:
    if invoice.status != "draft":
        yield InvoicePublished(
            invoice_id, invoice.id, invoice.number, invoice.hosted_url, occurred_at=invoice.changed_at
        )
    for charge in charges:
        if charge.get("status") == "failed":
            yield _failed_charge(invoice_id, charge)
    for paid in invoice.paid:
        yield _succeeded(invoice_id, paid, methods)
    yield AttemptsUnderWay(invoice_id, invoice.under_way)
    for tried in invoice.tried:
        yield _attempted(invoice_id, tried, methods)
    if invoice.status in CLOSED:
        yield InvoiceClosed(invoice_id, invoice.status, invoice.changed_at)


def _succeeded(invoice_id: int, paid: Paid, methods: dict[str, str | None]) -> PaymentSucceeded:
    return PaymentSucceeded(
        invoice_id=invoice_id,
        external_id=paid.external_id,
        amount=paid.amount,
        occurred_at=paid.at,
        method=paid.method or methods.get(paid.attempt or ""),
        attempt_id=paid.attempt,
        offline=paid.offline,
    )


def _attempted(invoice_id: int, tried: Tried, methods: dict[str, str | None]) -> Fact:
    method = methods.get(tried.attempt)
    if not tried.failed:
        return PaymentProcessing(invoice_id, tried.attempt, tried.amount, tried.at, method=method)
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
        method=method,
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
        occurred_at=datetime.fromtimestamp(int(charge["created"]), UTC),
        code=reason or code,
        reason=decline.admin,
        method=describe_method(details),
    )


def _charge_in(event: StoredEvent) -> Raw | None:
    if event.object_kind != "charge":
        return None
    found: Raw = json.loads(event.body)["data"]["object"]
    return found
