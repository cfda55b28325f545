"""Which invoices bill a subscription, and with what it pays."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json


def subscription_of(call: Call, invoice: Json) -> Json | None:
    """The subscription that an invoice bills, or None."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return call.world.find("subscription", details.get("subscription"))


def invoices_of(call: Call, subscription: Json) -> list[Json]:
    """The invoices of a subscription, oldest first."""
    rows = call.world.table("invoice").where("customer", subscription["customer"])
    return [row for row in rows if subscription_of(call, row) is subscription]


def default_method(call: Call, invoice: Json) -> str | None:
    """What Stripe charges by itself: the method of the invoice, of its subscription, of the customer."""
    subscription = subscription_of(call, invoice) or {}
    return (
        invoice["default_payment_method"]
        or subscription.get("default_payment_method")
        or default_of_customer(call, invoice["customer"])
    )


def default_of_customer(call: Call, customer_id: str) -> str | None:
    """The method that a customer pays with where nothing else is named."""
    customer = call.world.find("customer", customer_id)
    method: str | None = customer["invoice_settings"]["default_payment_method"] if customer else None
    return method
