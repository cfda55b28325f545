"""What a payment does to the invoice it was made for."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.events import differences
from plugins.stripe.sandbox.objects.subscription_dunning import note_owed, note_paid
from plugins.stripe.sandbox.wire import copied

RETRY_DAYS = (3, 5, 7)
"""Days between the attempts to collect an invoice automatically; the sandbox's own rule."""
_DAY = 86400


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
    if payment is None or invoice is None or invoice["status"] == "void":
        return
    attempts = _counted(call, invoice)
    take_in(
        call,
        invoice,
        payment,
        amount=intent["amount_received"],
        tries={"attempt_count": attempts, "attempted": True},
    )


def _counted(call: Call, invoice: Json) -> int:
    """How many attempts there were with this one. Any is the first; later ones count if Stripe made them."""
    automatic = call.world.note(invoice["id"]).pop("automatic_attempt", False)
    count = int(invoice["attempt_count"])
    return count + 1 if automatic else max(count, 1)


def take_in(call: Call, invoice: Json, payment: Json, *, amount: int, tries: Json) -> None:
    """Money of one payment counts towards an invoice; what is more than it asks for is overpaid."""
    now = call.now(invoice["customer"])
    with call.changing(payment):
        payment |= {"amount_paid": amount, "status": "paid"}
        payment["status_transitions"] = payment["status_transitions"] | {"paid_at": now}
    call.emit("invoice_payment.paid", payment)
    amount_paid = invoice["amount_paid"] + amount
    if invoice["status"] == "paid":
        _overpay(call, invoice, amount_paid)
    elif amount_paid < invoice["amount_due"]:
        with call.changing(invoice, "invoice.updated"):
            invoice |= {"amount_paid": amount_paid, "amount_remaining": invoice["amount_due"] - amount_paid}
            invoice |= tries
        follow_remaining(call, invoice)
    else:
        mark_paid(call, invoice, amount_paid=amount_paid, **tries)


def follow_remaining(call: Call, invoice: Json) -> None:
    """The default payment asks for what remains, unless its intent is at work already."""
    intent = call.world.find("payment_intent", call.world.note(invoice["id"]).get("payment_intent"))
    payment = payment_of(call, intent) if intent is not None else None
    left = invoice["amount_remaining"]
    if intent is None or payment is None or not left or not intent["status"].startswith("requires_"):
        return
    if intent["status"] == "requires_capture":
        return
    with call.changing(intent):
        intent["amount"] = left
    with call.changing(payment):
        payment["amount_requested"] = left


def _overpay(call: Call, invoice: Json, amount_paid: int) -> None:
    """What came for a paid invoice, or too much, goes to the customer's balance."""
    over = amount_paid - invoice["amount_due"]
    more = over - invoice["amount_overpaid"]
    with call.changing(invoice, "invoice.updated"):
        invoice |= {"amount_paid": amount_paid, "amount_overpaid": over}
    customer = call.world.find("customer", invoice["customer"])
    if more > 0 and customer is not None:
        with call.changing(customer, "customer.updated"):
            customer["balance"] -= more
        call.emit("invoice.overpaid", invoice)


def mark_paid(call: Call, invoice: Json, *, amount_paid: int, attempt_count: int, attempted: bool) -> None:
    """Close an invoice as paid and tell it in Stripe's usual order."""
    before = {"status": invoice["status"], "amount_remaining": invoice["amount_remaining"]}
    with call.changing(invoice):
        invoice |= {
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
    note_paid(call, invoice)
    call.emit("invoice.payment_succeeded", invoice)
    call.emit("invoice.updated", invoice, before)
    if amount_paid > invoice["amount_due"]:
        _overpay(call, invoice, amount_paid)


def note_failure(call: Call, intent: Json) -> None:
    """An attempt for an invoice failed."""
    invoice = invoice_of(call, intent)
    if invoice is not None and invoice["status"] in ("open", "uncollectible"):
        advice = (intent["last_payment_error"] or {}).get("advice_code")
        note_refusal(call, invoice, hopeless=advice == "do_not_try_again")


def note_refusal(call: Call, invoice: Json, *, hopeless: bool) -> None:
    """An invoice could not be collected. `hopeless`: the bank says that trying again is of no use."""
    before = copied(invoice)
    automatic = call.world.note(invoice["id"]).get("automatic_attempt", False)
    with call.changing(invoice):
        invoice |= {"attempt_count": _counted(call, invoice), "attempted": True}
        if automatic:
            _plan_retry(call, invoice, hopeless=hopeless)
    call.emit("invoice.payment_failed", invoice)
    if changed := differences(before, invoice):
        call.emit("invoice.updated", invoice, changed)
    note_owed(call, invoice)


def _plan_retry(call: Call, invoice: Json, *, hopeless: bool) -> None:
    """Stripe tries again by itself a few times. The wait is as long where it does not, before it gives up."""
    waits = [days * _DAY for days in RETRY_DAYS[invoice["attempt_count"] - 1 :]]
    now = call.now(invoice["customer"])
    invoice["next_payment_attempt"] = None
    if waits and not hopeless:
        invoice["next_payment_attempt"] = now + waits[0]
        call.plan("collect_invoice", invoice, at=now + waits[0])
    else:
        call.world.unplan("collect_invoice", invoice["id"])
        call.plan("end_retries", invoice, at=now + sum(waits))


def note_action(call: Call, intent: Json) -> None:
    """An attempt for an invoice waits for the customer."""
    invoice = invoice_of(call, intent)
    if invoice is None or invoice["status"] != "open":
        return
    automatic = call.world.note(invoice["id"]).get("automatic_attempt", False)
    with call.changing(invoice):
        invoice |= {"attempt_count": _counted(call, invoice), "attempted": True}
        if automatic:
            _plan_retry(call, invoice, hopeless=True)
    call.emit("invoice.payment_action_required", invoice)
    note_owed(call, invoice)
