"""Things that many stories begin with."""

from __future__ import annotations

import time

import stripe as stripe_sdk

WEEK = 7 * 86400


def make_customer(client: stripe_sdk.StripeClient) -> stripe_sdk.Customer:
    """A customer."""
    return client.v1.customers.create({"email": "ada@example.com", "name": "Ada"})


def make_draft(
    client: stripe_sdk.StripeClient, *, amounts: tuple[int, ...] = (2500,), customer: str | None = None
) -> stripe_sdk.Invoice:
    """A draft with a line for each amount."""
    invoice = client.v1.invoices.create(
        {
            "customer": customer or make_customer(client).id,
            "currency": "usd",
            "collection_method": "send_invoice",
            "due_date": int(time.time()) + WEEK,
            "auto_advance": False,
            "pending_invoice_items_behavior": "exclude",
            "metadata": {"portal_invoice_id": "1001"},
        }
    )
    if not amounts:
        return invoice
    lines = [{"description": f"Line {n}", "amount": a} for n, a in enumerate(amounts, 1)]
    return client.v1.invoices.add_lines(invoice.id, {"lines": lines})  # type: ignore[typeddict-item] # built here


def make_open(client: stripe_sdk.StripeClient, *, amount: int = 2500) -> stripe_sdk.Invoice:
    """An open invoice with its payments and client secret."""
    draft = make_draft(client, amounts=(amount,))
    return client.v1.invoices.finalize_invoice(draft.id, {"expand": ["confirmation_secret", "payments"]})


def intent_of(invoice: stripe_sdk.Invoice) -> str:
    """The id of the intent that pays an invoice."""
    assert invoice.payments is not None
    payment = invoice.payments.data[0].payment
    assert isinstance(payment.payment_intent, str)
    return payment.payment_intent


def secret_of(invoice: stripe_sdk.Invoice) -> str:
    """The client secret of an invoice."""
    assert invoice.confirmation_secret is not None
    return invoice.confirmation_secret.client_secret


def card_data(number: str) -> dict[str, object]:
    """What the Payment Element sends for a card."""
    card = {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    return {"payment_method_data": {"type": "card", "card": card}}
