"""Calls that make and change customers and invoices. Plain dictionaries out: `domain/` reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import stripe as stripe_sdk
from stripe.params import (
    CustomerCreateParams,
    CustomerSessionCreateParams,
    CustomerSessionCreateParamsComponentsPaymentElementFeatures,
    InvoiceAddLinesParamsLine,
    InvoiceCreateParams,
)

from plugins.stripe.gateway.client import translated_errors
from plugins.stripe.gateway.reads import INVOICE_EXPAND
from plugins.stripe.gateway.spending import account_client
from portal.sdk import Account, PayableInvoice, PayableLine, Settings

Raw = dict[str, Any]
LONGEST_DESCRIPTION = 1500


class Buyer(Protocol):
    """Whom an invoice or an order is for, as far as Stripe's customer needs it."""

    @property
    def customer_id(self) -> int:
        """Ours."""

    @property
    def customer_key(self) -> str:
        """Names the customer of this installation in Stripe's metadata."""

    @property
    def customer_name(self) -> str:
        """As it stands here."""

    @property
    def customer_email(self) -> str | None:
        """The same."""


def _v1(account: Account, settings: Settings) -> stripe_sdk.V1Services:
    return account_client(account, settings).v1


def _plain(answer: stripe_sdk.StripeObject) -> Raw:
    return dict(answer.to_dict(for_json=True))


async def create_customer(account: Account, settings: Settings, *, key: str, buyer: Buyer) -> Raw:
    """Create a customer for one of ours. Raises OutcomeUnknown when no answer came."""
    fields: CustomerCreateParams = {
        "name": buyer.customer_name,
        "metadata": {"portal_customer": buyer.customer_key},
    }
    if buyer.customer_email:
        fields["email"] = buyer.customer_email
    with translated_errors(write=True):
        made = await _v1(account, settings).customers.create_async(fields, {"idempotency_key": key})
    return _plain(made)


async def find_customer(
    account: Account, settings: Settings, *, customer_key: str, since: datetime
) -> Raw | None:
    """The customer that an earlier, unanswered call may have made, by our metadata.

    Its name and address are no help: they may have changed here since that call.
    """
    with translated_errors():
        page = await _v1(account, settings).customers.list_async(
            {"created": {"gte": int(since.timestamp())}, "limit": 100}
        )
        async for customer in page.auto_paging_iter():
            plain = _plain(customer)
            if (plain.get("metadata") or {}).get("portal_customer") == customer_key:
                return plain
    return None


async def create_invoice(
    account: Account, settings: Settings, *, key: str, customer: str, invoice: PayableInvoice
) -> Raw:
    """Create a draft invoice. Raises OutcomeUnknown when no answer came."""
    fields = _invoice_fields(invoice, customer)
    with translated_errors(write=True):
        made = await _v1(account, settings).invoices.create_async(fields, {"idempotency_key": key})
    return _plain(made)


async def add_invoice_lines(
    account: Account, settings: Settings, *, draft: str, key: str, invoice: PayableInvoice
) -> Raw:
    """Add the invoice's lines to a draft."""
    with translated_errors(write=True):
        changed = await _v1(account, settings).invoices.add_lines_async(
            draft, {"lines": _invoice_lines(invoice)}, {"idempotency_key": key}
        )
    return _plain(changed)


async def finalize_invoice(account: Account, settings: Settings, *, invoice: str, key: str) -> Raw:
    """Finalise a draft; the answer carries its payments."""
    with translated_errors(write=True):
        final = await _v1(account, settings).invoices.finalize_invoice_async(
            invoice, {"auto_advance": False, "expand": INVOICE_EXPAND}, {"idempotency_key": key}
        )
    return _plain(final)


async def void_invoice(account: Account, settings: Settings, *, invoice: str, key: str) -> Raw:
    """Void an open or uncollectible invoice; its payment intent is cancelled with it."""
    with translated_errors(write=True):
        void = await _v1(account, settings).invoices.void_invoice_async(
            invoice, {"expand": INVOICE_EXPAND}, {"idempotency_key": key}
        )
    return _plain(void)


async def find_invoice(
    account: Account, settings: Settings, *, customer: str, portal_key: str, since: datetime
) -> Raw | None:
    """Our copy among the customer's invoices, by the metadata that every one of ours carries."""
    with translated_errors():
        page = await _v1(account, settings).invoices.list_async(
            {"customer": customer, "created": {"gte": int(since.timestamp())}, "limit": 100}
        )
        async for invoice in page.auto_paging_iter():
            plain = _plain(invoice)
            if plain.get("metadata", {}).get("portal_invoice") == portal_key:
                return plain
    return None


async def open_customer_session(account: Account, settings: Settings, customer: str) -> str:
    """The client secret with which the Payment Element may show and save this customer's methods.

    Only methods that whoever paid with them agreed to see again are shown, and none can be removed. The
    secret is for the browser alone: never stored, never logged.
    """
    features: CustomerSessionCreateParamsComponentsPaymentElementFeatures = {
        "payment_method_redisplay": "enabled",
        "payment_method_allow_redisplay_filters": ["always"],
        "payment_method_save": "enabled",
        "payment_method_save_usage": "on_session",
        "payment_method_remove": "disabled",
    }
    fields: CustomerSessionCreateParams = {
        "customer": customer,
        "components": {"payment_element": {"enabled": True, "features": features}},
    }
    with translated_errors():
        made = await _v1(account, settings).customer_sessions.create_async(fields)
    return made.client_secret


def _invoice_fields(invoice: PayableInvoice, customer: str) -> InvoiceCreateParams:
    fields: InvoiceCreateParams = {
        "customer": customer,
        "currency": invoice.total.currency,
        "collection_method": "send_invoice",
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        "metadata": {"portal_invoice": invoice.key, "portal_number": invoice.number},
    }
    # Stripe refuses a due date in the past: what is overdue is due at once.
    if invoice.due_at and invoice.due_at > datetime.now(UTC) + timedelta(minutes=5):
        fields["due_date"] = int(invoice.due_at.timestamp())
    else:
        fields["days_until_due"] = 0
    if invoice.memo:
        fields["description"] = invoice.memo[:LONGEST_DESCRIPTION]
    return fields


def _invoice_lines(invoice: PayableInvoice) -> list[InvoiceAddLinesParamsLine]:
    """Ours as Stripe takes them: a text and an amount each, so that Stripe rounds nothing anew."""
    lines: list[InvoiceAddLinesParamsLine] = [
        {"description": _described(line), "amount": line.amount.amount_minor} for line in invoice.lines
    ]
    if invoice.discount.amount_minor:
        lines.append({"description": "Discount", "amount": -invoice.discount.amount_minor})
    if invoice.tax.amount_minor:
        lines.append({"description": "Tax", "amount": invoice.tax.amount_minor})
    return lines


def _described(line: PayableLine) -> str:
    return line.description if line.quantity == 1 else f"{line.quantity} × {line.description}"
