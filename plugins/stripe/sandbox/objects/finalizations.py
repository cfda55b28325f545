"""From draft to open: number, payment intent and default payment; and the ways an invoice closes."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.money import MINIMUM
from plugins.stripe.sandbox.objects.intents import available_types
from plugins.stripe.sandbox.objects.new_intents import add_intent
from plugins.stripe.sandbox.objects.payment_intents import cancel_intent
from plugins.stripe.sandbox.objects.settlements import mark_paid
from plugins.stripe.sandbox.store.ids import random_text

AUTO_SECONDS = 3600
"""How long after creation a draft is finalized by itself, and after that collected."""


def finalize(call: Call, invoice: Json) -> None:
    """Open a draft; one with nothing to pay is paid at once.

    Raises:
        ApiError: 400, it is no draft.
    """
    if invoice["status"] != "draft":
        raise ApiError(
            400,
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            code="invoice_not_editable",
        )
    call.world.unplan("finalize_invoice", invoice["id"])
    customer = call.world.get("customer", invoice["customer"])
    before = {"status": "draft", "number": invoice["number"]}
    with call.changing(invoice):
        _open(call, invoice, customer)
    call.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        mark_paid(call, invoice, amount_paid=0, attempt_count=0, attempted=True)
        return
    _add_payment(call, invoice)
    call.emit("invoice.updated", invoice, before)
    _plan_collection(call, invoice)


def _plan_collection(call: Call, invoice: Json) -> None:
    """Renewals are charged at once, others an hour later. A first period waits for its payer."""
    now, reason = call.now(invoice["customer"]), invoice["billing_reason"]
    if invoice["collection_method"] == "send_invoice":
        if invoice["parent"]:
            call.plan("note_overdue", invoice, at=invoice["due_date"])
    elif invoice["auto_advance"] and reason != "subscription_create":
        call.plan("collect_invoice", invoice, at=now + (AUTO_SECONDS if reason == "manual" else 0))


def _open(call: Call, invoice: Json, customer: Json) -> None:
    now = call.now(customer["id"])
    token = random_text(40)
    hosted = f"{call.sandbox.url}/_sandbox/invoices/{call.world.keys.name}/{invoice['id']}"
    invoice |= {
        "automatically_finalizes_at": None,
        "effective_at": invoice["effective_at"] or now,
        "hosted_invoice_url": f"{hosted}?s={token}",
        "invoice_pdf": f"{hosted}/pdf?s={token}",
        "status": "open",
        "status_transitions": invoice["status_transitions"] | {"finalized_at": now},
    }
    if invoice["number"] is None:
        invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
        with call.changing(customer):
            customer["next_invoice_sequence"] += 1
    _apply_balance(call, invoice, customer)


def _apply_balance(call: Call, invoice: Json, customer: Json) -> None:
    """Use the customer's balance; a total too small to charge is carried over to it."""
    start, total = customer["balance"], invoice["total"]
    due = max(total + start, 0)
    if 0 < due < MINIMUM.get(invoice["currency"], 1):
        due = 0
    end = 0 if due else start + total
    invoice |= {
        "amount_due": due,
        "amount_remaining": due,
        "ending_balance": end,
        "starting_balance": start,
    }
    if end != start:
        with call.changing(customer, "customer.updated"):
            customer["balance"] = end


def _add_payment(call: Call, invoice: Json) -> None:
    """The intent that collects the invoice, and the payment that ties the two."""
    types = invoice["payment_settings"]["payment_method_types"] or available_types(invoice["currency"])
    intent = add_intent(
        call,
        {
            "amount": invoice["amount_due"],
            "capture_method": "automatic",
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "description": "Payment for Invoice",
            "payment_method_types": list(types),
        },
    )
    call.world.note(intent["id"])["invoice"] = invoice["id"]
    call.world.note(invoice["id"])["payment_intent"] = intent["id"]
    paid_by = {"payment_intent": intent["id"], "type": "payment_intent"}
    add_payment(call, invoice, paid_by, amount=invoice["amount_due"], default=True)
    call.emit("payment_intent.created", intent)


def add_payment(call: Call, invoice: Json, paid_by: Json, *, amount: int, default: bool = False) -> Json:
    """Tie an intent, or a payment that was reported, to an invoice."""
    return call.world.add(
        "invoice_payment",
        {
            "amount_paid": None,
            "amount_requested": amount,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": default,
            "payment": paid_by,
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        },
        created=call.now(invoice["customer"]),
    )


def drop_payments(call: Call, invoice: Json, reason: str, *, quiet: bool = False) -> None:
    """Cancel whatever could still pay an invoice. `quiet`: without an event of the intent."""
    for payment in call.world.table("invoice_payment").where("invoice", invoice["id"]):
        if payment["status"] != "open" or (quiet and _is_at_work(call, payment)):
            continue
        with call.changing(payment):
            moment = call.now(invoice["customer"])
            payment["status"] = "canceled"
            payment["status_transitions"] = payment["status_transitions"] | {"canceled_at": moment}
        intent = call.world.get("payment_intent", payment["payment"]["payment_intent"])
        if intent["status"] in ("succeeded", "canceled"):
            continue
        if quiet:
            with call.changing(intent):
                intent |= {
                    "canceled_at": call.now(invoice["customer"]),
                    "cancellation_reason": reason,
                    "next_action": None,
                    "status": "canceled",
                }
        else:
            cancel_intent(call, intent, reason)


def _is_at_work(call: Call, payment: Json) -> bool:
    """Whether a bank is on it already: then its money may still come."""
    intent = call.world.get("payment_intent", payment["payment"]["payment_intent"])
    return bool(intent["status"] == "processing")
