"""Invoice payments: which intents pay which invoices."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.listing import listed


@handles("GET /v1/invoice_payments/{invoice_payment}")
def retrieve(call: Call) -> Json:
    """Read an invoice payment."""
    return call.world.get("invoice_payment", call.ids[0])


@handles("GET /v1/invoice_payments")
def list_(call: Call) -> Json:
    """List invoice payments by invoice, intent or status."""
    payment = call.params.get("payment") or {}
    filters = {
        "invoice": call.params.get("invoice"),
        "status": call.params.get("status"),
        "payment.type": payment.get("type"),
        "payment.payment_intent": payment.get("payment_intent"),
    }
    return listed(call, "invoice_payment", filters)
