"""What a payment does to the invoice it was made for."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.events import differences
from plugins.stripe.sandbox.wire import copied

RETRY_DAYS = (3, 5, 7)
"""Days between the attempts to collect an invoice automatically."""


def invoice_of(call: Call, intent: Json) -> Json | None:
    """The invoice an intent pays, or None."""
    return call.world.find("invoice", call.world.note(intent["id"]).get("invoice"))


def payment_of(call: Call, intent: Json) -> Json | None:
    """The open InvoicePayment of an intent, or None."""
    rows = call.world.table("invoice_payment").where("payment.payment_intent", intent["id"])
    return next((row for row in rows if row["status"] == "open"), None)


def settle(call: Call, intent: Json) -> None:
    """An intent succeeded: record the payment, and the invoice as paid once nothing remains."""
    payment, invoice = payment_of(call, intent), invoice_of(call, intent)
    if payment is None or invoice is None or invoice["status"] not in ("open", "uncollectible"):
        return
    now = call.now(invoice["customer"])
    paid = min(intent["amount_received"], invoice["amount_remaining"])
    with call.changing(payment):
        payment |= {"amount_paid": paid, "status": "paid"}
        payment["status_transitions"] = payment["status_transitions"] | {"paid_at": now}
    call.emit("invoice_payment.paid", payment)
    amount_paid = invoice["amount_paid"] + paid
    attempts = max(invoice["attempt_count"], 1)
    if amount_paid < invoice["amount_due"]:
        with call.changing(invoice, "invoice.updated"):
            invoice |= {"amount_paid": amount_paid, "amount_remaining": invoice["amount_due"] - amount_paid}
            invoice |= {"attempted": True, "attempt_count": attempts}
        return
    mark_paid(call, invoice, amount_paid=amount_paid, attempt_count=attempts, attempted=True)


def mark_paid(call: Call, invoice: Json, *, amount_paid: int, attempt_count: int, attempted: bool) -> None:
    """Close an invoice as paid and tell it in Stripe's usual order."""
    before = {"status": invoice["status"], "amount_remaining": invoice["amount_remaining"]}
    with call.changing(invoice):
        invoice |= {
            "amount_overpaid": max(amount_paid - invoice["amount_due"], 0),
            "amount_paid": amount_paid,
            "amount_remaining": 0,
            "attempt_count": attempt_count,
            "attempted": attempted,
            "auto_advance": False,
            "next_payment_attempt": None,
            "status": "paid",
        }
        invoice.pop("status_details", None)
        moment = call.now(invoice["customer"])
        invoice["status_transitions"] = invoice["status_transitions"] | {"paid_at": moment}
    call.emit("invoice.paid", invoice)
    call.emit("invoice.payment_succeeded", invoice)
    call.emit("invoice.updated", invoice, before)


def note_failure(call: Call, intent: Json) -> None:
    """An attempt for an invoice failed. Only the first attempt counts, retries count where Stripe retries."""
    invoice = invoice_of(call, intent)
    if invoice is None or invoice["status"] not in ("open", "uncollectible"):
        return
    before = copied(invoice)
    automatic = call.world.note(invoice["id"]).pop("automatic_attempt", False)
    with call.changing(invoice):
        count = invoice["attempt_count"] + 1 if automatic else max(invoice["attempt_count"], 1)
        invoice |= {"attempt_count": count, "attempted": True}
        if automatic:
            _plan_retry(call, invoice)
    call.emit("invoice.payment_failed", invoice)
    if changed := differences(before, invoice):
        call.emit("invoice.updated", invoice, changed)


def _plan_retry(call: Call, invoice: Json) -> None:
    """Stripe tries again by itself a few times."""
    invoice["next_payment_attempt"] = None
    if invoice["attempt_count"] <= len(RETRY_DAYS):
        wait = RETRY_DAYS[invoice["attempt_count"] - 1] * 86400
        invoice["next_payment_attempt"] = call.now(invoice["customer"]) + wait
        call.world.plan("collect_invoice", invoice["id"], after=wait)


def note_action(call: Call, intent: Json) -> None:
    """An attempt for an invoice waits for the customer."""
    invoice = invoice_of(call, intent)
    if invoice is None or invoice["status"] != "open":
        return
    with call.changing(invoice):
        invoice |= {"attempt_count": max(invoice["attempt_count"], 1), "attempted": True}
    call.emit("invoice.payment_action_required", invoice)
