"""Refunds, full and partial, also those that fail later."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.money import in_words
from plugins.stripe.sandbox.objects.balances import add_transaction
from plugins.stripe.sandbox.objects.new_methods import card_of
from plugins.stripe.sandbox.store.ids import random_text

REFERENCE_SECONDS = 2.0
"""When the acquirer's reference arrives, or a failing refund fails, in world time."""
BANK_SECONDS = 3 * 86400
"""How long a refund to a bank account takes."""


@handles("POST /v1/refunds")
def create(call: Call) -> Json:
    """Give back what was paid, or a part of it."""
    charge = _charge_to_refund(call)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = call.params.get("amount", left)
    _check(charge, amount, left)
    _check_disputes(call, charge)
    refund = _add(call, charge, amount)
    with call.changing(charge):
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    call.emit("refund.created", refund)
    call.emit(
        "charge.refunded", charge, {"amount_refunded": charge["amount_refunded"] - amount, "refunded": False}
    )
    slow = refund["status"] == "pending" and kind_of(charge) != "card"
    call.world.plan("end_refund", refund["id"], after=BANK_SECONDS if slow else REFERENCE_SECONDS)
    return refund


def kind_of(charge: Json) -> str:
    """The type of method a charge was paid with."""
    return str(charge["payment_method_details"]["type"])


def _charge_to_refund(call: Call) -> Json:
    charge_id, intent_id = call.params.get("charge"), call.params.get("payment_intent")
    if not charge_id and not intent_id:
        raise ApiError(
            400, "One of the following params should be provided for this request: payment_intent or charge."
        )
    if charge_id:
        return call.world.get("charge", charge_id, param="charge")
    intent = call.world.get("payment_intent", str(intent_id), param="payment_intent")
    charge = call.world.find("charge", intent["latest_charge"])
    if charge is None or charge["status"] != "succeeded":
        raise ApiError(
            400, f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        )
    return charge


def _check(charge: Json, amount: int, left: int) -> None:
    currency = charge["currency"]
    if charge["status"] != "succeeded":
        raise ApiError(400, f"Charge {charge['id']} cannot be refunded: its status is {charge['status']}.")
    if left == 0:
        raise ApiError(
            400, f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    if amount < 1:
        raise ApiError(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        of = "unrefunded amount on charge" if charge["amount_refunded"] else "charge amount"
        raise ApiError(
            400,
            f"Refund amount ({in_words(amount, currency)}) is greater than {of} ({in_words(left, currency)})",
            param="amount",
        )


def _check_disputes(call: Call, charge: Json) -> None:
    for dispute in call.world.table("dispute").where("charge", charge["id"]):
        if not dispute["is_charge_refundable"] and dispute["status"] != "won":
            raise ApiError(
                400,
                f"Charge {charge['id']} has been charged back; cannot issue a refund.",
                code="charge_disputed",
            )


def _add(call: Call, charge: Json, amount: int) -> Json:
    params = call.params
    kind = kind_of(charge)
    fields = {
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": _destination(kind),
        "metadata": {k: v for k, v in (params.get("metadata") or {}).items() if v != ""},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": _first_status(call, charge),
        "transfer_reversal": None,
    }
    refund = call.world.add("refund", fields, created=call.now(charge["customer"]))
    del refund["livemode"]
    if refund["status"] == "pending":
        refund["pending_reason"] = "processing"
    booked = add_transaction(
        call, refund, amount=-amount, kind="refund" if kind == "card" else "payment_refund", category="refund"
    )
    refund["balance_transaction"] = booked["id"]
    return refund


def _first_status(call: Call, charge: Json) -> str:
    method = call.world.find("payment_method", charge["payment_method"])
    if method is None or method["type"] != "card":
        return "pending"
    return "pending" if card_of(call.world, method).refund == "pending" else "succeeded"


def _destination(kind: str) -> Json:
    if kind == "card":
        card = {
            "reference_status": "pending",
            "reference_type": "acquirer_reference_number",
            "type": "refund",
        }
        return {"card": card, "type": "card"}
    return (
        {"type": kind, kind: {"reference_status": "pending"}}
        if kind == "us_bank_transfer"
        else {"type": kind}
    )


def end_planned(call: Call, refund_id: str) -> None:
    """A while later the acquirer's reference arrives, or the refund turns out to have failed."""
    refund = call.world.find("refund", refund_id)
    if refund is None or refund["status"] not in ("pending", "succeeded"):
        return
    method = call.world.find("payment_method", refund["payment_method"])
    if method and method["type"] == "card" and card_of(call.world, method).refund == "failed":
        _fail(call, refund)
        return
    with call.changing(refund, "refund.updated"):
        refund["status"] = "succeeded"
        refund.pop("pending_reason", None)
        if "card" in refund["destination_details"]:
            arrived = {"reference": random_text(12).upper(), "reference_status": "available"}
            card = refund["destination_details"]["card"] | arrived
            refund["destination_details"] = refund["destination_details"] | {"card": card}
    call.emit("charge.refund.updated", refund, {})


def _fail(call: Call, refund: Json) -> None:
    charge = call.world.get("charge", refund["charge"])
    with call.changing(charge):
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
    booked = add_transaction(
        call, refund, amount=refund["amount"], kind="refund_failure", category="refund_failure"
    )
    before = {"status": refund["status"]}
    with call.changing(refund):
        refund |= {
            "failure_balance_transaction": booked["id"],
            "failure_reason": "expired_or_canceled_card",
            "status": "failed",
        }
    call.emit("refund.updated", refund, before)
    call.emit("refund.failed", refund)
    call.emit("charge.refund.updated", refund, before)


@handles("GET /v1/refunds/{refund}")
def retrieve(call: Call) -> Json:
    """Read a refund."""
    return call.world.get("refund", call.ids[0])


@handles("POST /v1/refunds/{refund}")
def update(call: Call) -> Json:
    """Change the metadata."""
    refund = call.world.get("refund", call.ids[0])
    with call.changing(refund, "refund.updated"):
        assign(refund, call.params, ())
    return refund


@handles("GET /v1/refunds")
def list_(call: Call) -> Json:
    """List refunds by charge or intent."""
    charge_id = call.params.get("charge")
    result = listed(
        call, "refund", {"charge": charge_id, "payment_intent": call.params.get("payment_intent")}
    )
    if charge_id:
        result["count"] = len(call.world.table("refund").where("charge", charge_id))
    return result


@handles("POST /v1/refunds/{refund}/cancel")
def cancel(call: Call) -> Json:
    """Only refunds that wait for the customer can be canceled; the sandbox makes none."""
    refund = call.world.get("refund", call.ids[0])
    raise ApiError(
        400,
        f"You can only cancel refunds with a status of requires_action. Current status: {refund['status']}.",
    )
