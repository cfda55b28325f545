"""Credit notes: they take something off what is owed until they are voided, or give back what was paid."""

from __future__ import annotations

from dataclasses import replace

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json, missing_param, not_built
from plugins.stripe.sandbox.listing import embedded, listed
from plugins.stripe.sandbox.objects.finalizations import drop_payments
from plugins.stripe.sandbox.objects.refunds import create as create_refund
from plugins.stripe.sandbox.objects.settlements import follow_remaining, mark_paid
from plugins.stripe.sandbox.store.ids import new_id

_PARTS = ("credit_amount", "out_of_band_amount", "refund_amount")


@handles("POST /v1/credit_notes")
def create(call: Call) -> Json:
    """Take an amount off what is owed; of what was paid already it says how that goes back."""
    invoice = call.world.get("invoice", call.params["invoice"], param="invoice", status=400)
    amount = call.params.get("amount")
    if invoice["status"] not in ("open", "uncollectible", "paid"):
        raise ApiError(400, "You can only create credit notes for finalized invoices.", param="invoice")
    if call.params.get("lines") or call.params.get("shipping_cost"):
        raise not_built("credit notes by lines")
    if not amount:
        raise missing_param("amount")
    _no_mail(call)
    before = min(amount, 0 if invoice["status"] == "paid" else invoice["amount_remaining"])
    given_back = _given_back(call, invoice, amount - before)
    note = call.world.add("credit_note", _fields(call, invoice, amount, before), created=call.now())
    _give_back(call, invoice, note, given_back)
    call.emit("credit_note.created", note)
    _take_off(call, invoice, before)
    return note


def _no_mail(call: Call) -> None:
    """The sandbox sends no mail, whatever is asked for."""
    call.params.get("email_type")


def _given_back(call: Call, invoice: Json, after: int) -> Json:
    """What is to become of the part that was paid; the parts must add up to it."""
    parts = {name: call.params.get(name) or 0 for name in _PARTS}
    if call.params.get("refunds"):
        raise not_built("`refunds` on credit notes")
    if sum(parts.values()) != after:
        raise ApiError(
            400,
            f"The sum of refund amount, credit amount and out of band amount must equal the post payment "
            f"amount ({after}).",
        )
    already = invoice["post_payment_credit_notes_amount"]
    if after > invoice["amount_paid"] - already:
        raise ApiError(400, "The credit note's amount is more than what was paid.", param="amount")
    return parts


def _give_back(call: Call, invoice: Json, note: Json, parts: Json) -> None:
    after = sum(parts.values())
    if not after:
        return
    if parts["refund_amount"]:
        wanted = {"payment_intent": _paid_intent(call, invoice), "amount": parts["refund_amount"]}
        refund = create_refund(replace(call, params=wanted))
        linked = {"amount_refunded": refund["amount"], "payment_record_refund": None, "type": "refund"}
        note["refunds"] = [linked | {"refund": refund["id"]}]
    if parts["credit_amount"]:
        customer = call.world.get("customer", invoice["customer"])
        with call.changing(customer, "customer.updated"):
            customer["balance"] -= parts["credit_amount"]
    with call.changing(invoice, "invoice.updated"):
        invoice["post_payment_credit_notes_amount"] += after


def _paid_intent(call: Call, invoice: Json) -> str:
    paid = call.world.table("invoice_payment").where("invoice", invoice["id"])
    found = (row["payment"].get("payment_intent") for row in paid if row["status"] == "paid")
    intent = next((intent for intent in found if intent), None)
    if intent is None:
        raise ApiError(
            400, "There is no payment on this invoice that could be refunded.", param="refund_amount"
        )
    return str(intent)


def _fields(call: Call, invoice: Json, amount: int, before: int) -> Json:
    """`before`: the part that was still owed."""
    note_id = new_id("credit_note")
    count = len(call.world.table("credit_note").where("invoice", invoice["id"]))
    zero = ("amount_shipping", "discount_amount")
    empty = (
        "customer_account",
        "customer_balance_transaction",
        "shipping_cost",
        "voided_at",
    )
    lists = ("discount_amounts", "pretax_credit_amounts", "refunds", "total_taxes")
    equal = (
        "amount",
        "subtotal",
        "subtotal_excluding_tax",
        "total",
        "total_excluding_tax",
    )
    hosted = f"{call.sandbox.url}/_sandbox/credit_notes/{note_id}"
    return {
        **dict.fromkeys(zero, 0),
        **dict.fromkeys(empty),
        **{name: [] for name in lists},
        **dict.fromkeys(equal, amount),
        "id": note_id,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "effective_at": call.now(invoice["customer"]),
        "invoice": invoice["id"],
        "lines": embedded([], f"/v1/credit_notes/{note_id}/lines"),
        "memo": call.params.get("memo"),
        "metadata": dict(call.params.get("metadata") or {}),
        "out_of_band_amount": call.params.get("out_of_band_amount"),
        "post_payment_amount": amount - before,
        "pre_payment_amount": before,
        "number": f"{invoice['number']}-CN-{count + 1:02d}",
        "pdf": f"{hosted}/pdf",
        "reason": call.params.get("reason"),
        "status": "issued",
        "type": "pre_payment" if before == amount else "mixed" if before else "post_payment",
    }


def _take_off(call: Call, invoice: Json, amount: int) -> None:
    """Let less be owed, or more again when the amount is negative, also by the intent that collects it."""
    if not amount:
        return
    with call.changing(invoice, "invoice.updated"):
        for name in ("amount_due", "amount_remaining"):
            invoice[name] -= amount
        invoice["pre_payment_credit_notes_amount"] += amount
    follow_remaining(call, invoice)
    if not invoice["amount_remaining"]:
        drop_payments(call, invoice, "automatic", quiet=True)
        mark_paid(call, invoice, amount_paid=invoice["amount_paid"], attempt_count=0, attempted=True)


@handles("POST /v1/credit_notes/{id}/void")
def void(call: Call) -> Json:
    """Let the invoice be owed in full again."""
    note = call.world.get("credit_note", call.ids[0])
    invoice = call.world.get("invoice", note["invoice"])
    if note["status"] == "void" or invoice["status"] not in ("open", "uncollectible"):
        raise ApiError(400, "You can only void issued credit notes of open invoices.")
    with call.changing(note):
        note |= {"status": "void", "voided_at": call.now(invoice["customer"])}
    call.emit("credit_note.voided", note)
    _take_off(call, invoice, -note["pre_payment_amount"])
    return note


@handles("GET /v1/credit_notes")
def list_(call: Call) -> Json:
    """List credit notes by invoice or customer."""
    filters = {name: call.params.get(name) for name in ("invoice", "customer")}
    return listed(call, "credit_note", filters)


@handles("POST /v1/credit_notes/{id}")
def update(call: Call) -> Json:
    """Change memo and metadata."""
    note = call.world.get("credit_note", call.ids[0])
    with call.changing(note, "credit_note.updated"):
        assign(note, call.params, ("memo",))
    return note


@handles("GET /v1/credit_notes/{id}")
def retrieve(call: Call) -> Json:
    """Read a credit note."""
    return call.world.get("credit_note", call.ids[0])
