"""Reads of single objects as they are now, and of what belongs to an invoice and does not come with it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from plugins.stripe.gateway.raw import Raw, raw_page, raw_read, raw_rest
from portal.sdk import Account, Settings

INVOICE_EXPAND = ["payments.data.payment.payment_intent"]
"""As deep as Stripe goes. The charge of an intent would be the fifth level."""
RECORDS_EXPAND = ["payments.data.payment.payment_record"]
SUBSCRIPTION_EXPAND = ["customer", "items.data.price.product", "items.data.price.tiers"]


async def retrieve_invoice(account: Account, settings: Settings, invoice: str) -> Raw:
    """The invoice with its payments and their intents: the one read that all its events share.

    Lines and payments that are not on its first pages are fetched, too.
    """
    raw = await raw_read(account, settings, service="invoices", external_id=invoice, expand=INVOICE_EXPAND)
    await _complete(account, settings, raw)
    return raw


async def retrieve_invoice_with_records(account: Account, settings: Settings, invoice: str) -> Raw:
    """The invoice with the reports of what was paid elsewhere, each with its metadata."""
    raw = await raw_read(account, settings, service="invoices", external_id=invoice, expand=RECORDS_EXPAND)
    payments = raw.get("payments") or {}
    if payments.get("has_more"):
        wanted = {"invoice": invoice, "expand": ["data.payment.payment_record"]}
        payments["data"] = await raw_rest(account, settings, service="invoice_payments", params=wanted)
    return raw


async def payment_records_since(account: Account, settings: Settings, since: datetime) -> list[Raw]:
    """Every report of a payment that was made after this time."""
    wanted = {"created_after": int(since.timestamp())}
    return await raw_rest(account, settings, service="payment_records", params=wanted)


async def client_secret_of(account: Account, settings: Settings, invoice: str) -> tuple[str | None, Raw]:
    """The client secret for the browser (None when nothing is left to pay) and the invoice without it."""
    found = await raw_read(
        account,
        settings,
        service="invoices",
        external_id=invoice,
        expand=["confirmation_secret", *INVOICE_EXPAND],
    )
    secret = found.pop("confirmation_secret", None)
    return (secret or {}).get("client_secret"), found


async def invoice_of_payment_intent(account: Account, settings: Settings, intent: str) -> str | None:
    """The id of the invoice that this intent pays, or None when it pays none."""
    paid_by = {"payment": {"type": "payment_intent", "payment_intent": intent}, "limit": 1}
    page = await raw_page(account, settings, service="invoice_payments", params=paid_by)
    return next((str(entry["invoice"]) for entry in page["data"]), None)


async def refunds_of(account: Account, settings: Settings, payment: str) -> list[Raw]:
    """Every refund of a payment intent, or of a charge that has none."""
    return await raw_rest(account, settings, service="refunds", params=_by_payment(payment))


async def disputes_of(account: Account, settings: Settings, payment: str) -> list[Raw]:
    """Every dispute of a payment intent, or of a charge that has none."""
    return await raw_rest(account, settings, service="disputes", params=_by_payment(payment))


async def credit_notes_of(account: Account, settings: Settings, invoice: str) -> list[Raw]:
    """Every credit note of an invoice, void ones as well."""
    return await raw_rest(account, settings, service="credit_notes", params={"invoice": invoice})


async def retrieve_customer(account: Account, settings: Settings, customer: str) -> Raw:
    """The customer; a deleted one has `deleted: true`."""
    return await raw_read(account, settings, service="customers", external_id=customer)


async def retrieve_subscription(
    account: Account, settings: Settings, subscription: str, *, with_products: bool
) -> Raw:
    """The subscription with its customer and its plans; with their products where the key may read these."""
    expand = SUBSCRIPTION_EXPAND if with_products else SUBSCRIPTION_EXPAND[:1]
    raw = await raw_read(account, settings, service="subscriptions", external_id=subscription, expand=expand)
    if raw["items"].get("has_more"):
        wanted: dict[str, Any] = {"subscription": subscription}
        if with_products:
            wanted["expand"] = ["data.price.product", "data.price.tiers"]
        raw["items"]["data"] = await raw_rest(account, settings, service="subscription_items", params=wanted)
        raw["items"]["has_more"] = False
    return raw


async def retrieve_product(account: Account, settings: Settings, product: str) -> Raw:
    """The product."""
    return await raw_read(account, settings, service="products", external_id=product)


async def retrieve_price(account: Account, settings: Settings, price: str) -> Raw:
    """The price with its tiers."""
    return await raw_read(account, settings, service="prices", external_id=price, expand=["tiers"])


async def retrieve_payment_method(account: Account, settings: Settings, method: str) -> Raw:
    """The saved method, also after it was detached."""
    return await raw_read(account, settings, service="payment_methods", external_id=method)


def _by_payment(payment: str) -> dict[str, Any]:
    return {"payment_intent" if payment.startswith("pi_") else "charge": payment}


async def _complete(account: Account, settings: Settings, raw: Raw) -> None:
    lines, payments = raw.get("lines") or {}, raw.get("payments") or {}
    invoice = str(raw["id"])
    if lines.get("has_more"):
        lines["data"] = await raw_rest(
            account, settings, service="invoices.line_items", params={}, parent=invoice
        )
        lines["has_more"] = False
    if payments.get("has_more"):
        wanted = {"invoice": invoice, "expand": ["data.payment.payment_intent"]}
        payments["data"] = await raw_rest(account, settings, service="invoice_payments", params=wanted)
        payments["has_more"] = False
