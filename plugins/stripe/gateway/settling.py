"""Calls that let less be owed: payments that came elsewhere are reported, credit notes are issued."""

from __future__ import annotations

from typing import Any

import stripe as stripe_sdk
from stripe.params import CreditNoteCreateParams, PaymentRecordReportPaymentParams

from plugins.stripe.gateway.client import translated_errors
from plugins.stripe.gateway.spending import account_client
from portal.sdk import Account, CreditOrder, OutsidePayment, Settings

Raw = dict[str, Any]
CREDIT_REASONS = ("duplicate", "fraudulent", "order_change", "product_unsatisfactory")
"""What Stripe takes as a reason. Any other one stands on the note, in words."""
PAYMENT_KEY = "portal_payment"
CREDIT_KEY = "portal_credit"
"""In the metadata of what the portal made: which of ours it is."""
LONGEST_NAME, LONGEST_MEMO = 100, 1500


def _v1(account: Account, settings: Settings) -> stripe_sdk.V1Services:
    return account_client(account, settings).v1


async def report_payment(
    account: Account, settings: Settings, *, payment: OutsidePayment, customer: str, key: str
) -> str:
    """Tell Stripe of money that came another way, for certain; the id of its record.

    It pays nothing until it is attached. Raises OutcomeUnknown when no answer came.
    """
    at = int(payment.occurred_at.timestamp())
    fields: PaymentRecordReportPaymentParams = {
        "amount_requested": {"currency": payment.amount.currency, "value": payment.amount.amount_minor},
        "customer_details": {"customer": customer},
        "guaranteed": {"guaranteed_at": at},
        "initiated_at": at,
        "metadata": {PAYMENT_KEY: payment.key},
        "outcome": "guaranteed",
        "payment_method_details": {
            "type": "custom",
            "custom": {"display_name": (payment.method or "Paid elsewhere")[:LONGEST_NAME]},
        },
    }
    if payment.reference:
        fields["processor_details"] = {
            "type": "custom",
            "custom": {"payment_reference": payment.reference[:LONGEST_NAME]},
        }
    with translated_errors(write=True):
        made = await _v1(account, settings).payment_records.report_payment_async(
            fields, {"idempotency_key": key}
        )
    return made.id


async def attach_record(account: Account, settings: Settings, *, invoice: str, record: str, key: str) -> None:
    """Let a reported payment pay its part of an open invoice."""
    with translated_errors(write=True):
        await _v1(account, settings).invoices.attach_payment_async(
            invoice, {"payment_record": record}, {"idempotency_key": key}
        )


async def create_credit_note(account: Account, settings: Settings, *, order: CreditOrder, key: str) -> None:
    """Take a part off an open invoice. Nobody gets a mail from Stripe.

    Nothing says what is to become of money that was paid: of a paid invoice Stripe refuses it.
    Raises OutcomeUnknown when no answer came.
    """
    fields: CreditNoteCreateParams = {
        "invoice": order.invoice_external_id or "",
        "amount": order.amount.amount_minor,
        "email_type": "none",
        "metadata": {CREDIT_KEY: order.key},
    }
    if order.reason in CREDIT_REASONS:
        fields["reason"] = order.reason
    elif order.reason:
        fields["memo"] = order.reason[:LONGEST_MEMO]
    with translated_errors(write=True):
        await _v1(account, settings).credit_notes.create_async(fields, {"idempotency_key": key})
