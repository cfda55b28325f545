"""Payments beside the default one: further intents, and reports of what was paid outside Stripe."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import ApiError, Json, missing_param, not_built
from plugins.stripe.sandbox.objects.finalizations import add_payment, drop_payments
from plugins.stripe.sandbox.objects.invoice_steps import require_open
from plugins.stripe.sandbox.objects.settlements import settle, take_in


@handles("POST /v1/invoices/{invoice}/attach_payment")
def attach_payment(call: Call) -> Json:
    """Count an intent, or a reported payment, towards an invoice."""
    invoice = call.world.get("invoice", call.ids[0])
    intent_id, record_id = call.params.get("payment_intent"), call.params.get("payment_record")
    if intent_id and record_id:
        raise ApiError(400, "You may only specify one of these parameters: payment_intent, payment_record.")
    require_open(invoice)
    if intent_id:
        _attach_intent(call, invoice, intent_id)
    elif record_id:
        _attach_record(call, invoice, record_id)
    else:
        raise missing_param("payment_intent")
    return invoice


def _attach_intent(call: Call, invoice: Json, intent_id: str) -> None:
    intent = call.world.get("payment_intent", intent_id, param="payment_intent", status=400)
    attached = bool(call.world.note(intent["id"]).get("invoice"))
    _check(invoice, "payment_intent", attached=attached, currency=intent["currency"])
    call.world.note(intent["id"])["invoice"] = invoice["id"]
    paid_by = {"payment_intent": intent["id"], "type": "payment_intent"}
    add_payment(call, invoice, paid_by, amount=intent["amount"])
    if intent["status"] == "succeeded":
        settle(call, intent)


def _attach_record(call: Call, invoice: Json, record_id: str) -> None:
    record = call.world.get("payment_record", record_id, param="payment_record", status=400)
    attached = bool(call.world.table("invoice_payment").where("payment.payment_record", record_id))
    amount = record["amount_guaranteed"]
    _check(invoice, "payment_record", attached=attached, currency=amount["currency"])
    if not amount["value"]:
        raise not_built("payment records of payments that are not guaranteed")
    paid_by = {"payment_record": record_id, "type": "payment_record"}
    payment = add_payment(call, invoice, paid_by, amount=amount["value"])
    tries = {name: invoice[name] for name in ("attempt_count", "attempted")}
    take_in(call, invoice, payment, amount=amount["value"], tries=tries)
    if invoice["status"] == "paid":
        drop_payments(call, invoice, "automatic", quiet=True)


def _check(invoice: Json, name: str, *, attached: bool, currency: str) -> None:
    kind = {"payment_intent": "PaymentIntent", "payment_record": "PaymentRecord"}[name]
    if attached:
        raise ApiError(400, f"This {kind} is already attached to an invoice.", param=name)
    if currency != invoice["currency"]:
        raise ApiError(400, f"The currency of the {kind} must match the invoice.", param=name)
