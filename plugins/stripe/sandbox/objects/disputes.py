"""Disputes: made by the dispute cards, answered with evidence or given up."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.objects.balances import add_transaction
from plugins.stripe.sandbox.objects.new_methods import card_of

DISPUTE_FEE = 1500
_DUE_SECONDS = 9 * 86400
_OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")

_EVIDENCE = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure "
    "cancellation_rebuttal "
    "customer_communication customer_email_address customer_name customer_purchase_ip customer_signature "
    "duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description "
    "receipt "
    "refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation "
    "shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number "
    "uncategorized_file uncategorized_text"
).split()


def dispute_charge(call: Call, charge: Json, method: Json) -> None:
    """Open the dispute that the method's test number asks for, if it does."""
    if method["type"] == "us_bank_account":
        _open(call, charge, reason="debit_not_authorized", inquiry=False)
        return
    card = card_of(call.world, method)
    if card.dispute is not None:
        _open(call, charge, reason=card.dispute, inquiry=card.inquiry)


def return_late(call: Call, charge: Json, reason: str) -> None:
    """The bank finds out after the payment that it cannot pay: a dispute that is lost from the start."""
    dispute = _open(call, charge, reason=reason, inquiry=False)
    with call.changing(dispute):
        dispute["status"] = "lost"
    call.emit("charge.dispute.closed", dispute)


def _open(call: Call, charge: Json, *, reason: str, inquiry: bool) -> Json:
    now = call.now(charge["customer"])
    dispute = call.world.add(
        "dispute",
        {
            "amount": charge["amount"],
            "balance_transaction": None,
            "balance_transactions": [],
            "charge": charge["id"],
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": dict.fromkeys(_EVIDENCE) | {"enhanced_evidence": {}},
            "evidence_details": {
                "due_by": now + _DUE_SECONDS,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
                "submission_method": "not_submitted",
            },
            "is_charge_refundable": inquiry,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            **_details(charge, inquiry=inquiry),
            "reason": reason,
            "status": "warning_needs_response" if inquiry else "needs_response",
        },
        created=now,
    )
    with call.changing(charge):
        charge |= {"disputed": True, "dispute": dispute["id"]}
    call.emit("charge.dispute.created", dispute)
    if not inquiry:
        _move_funds(call, dispute, -1)
        call.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _details(charge: Json, *, inquiry: bool) -> Json:
    """Of cards alone: the SDK's types know no details of bank accounts here."""
    if charge["payment_method_details"]["type"] != "card":
        return {}
    brand = charge["payment_method_details"]["card"]["brand"]
    card = {
        "brand": brand,
        "case_type": "inquiry" if inquiry else "chargeback",
        "network": brand,
        "network_reason_code": "10.4",
    }
    return {"payment_method_details": {"card": card, "type": "card"}}


def _move_funds(call: Call, dispute: Json, direction: int) -> None:
    """Withdraw (-1) or give back (+1) the disputed amount."""
    kind = "adjustment"
    fee = DISPUTE_FEE if direction < 0 else 0
    words = "Chargeback withdrawal" if direction < 0 else "Chargeback reversal"
    booked = add_transaction(
        call, dispute, amount=direction * dispute["amount"], kind=kind, fee=fee, description=words
    )
    with call.changing(dispute):
        dispute["balance_transactions"] = [*dispute["balance_transactions"], booked]
        dispute["balance_transaction"] = dispute["balance_transaction"] or booked["id"]


@handles("GET /v1/disputes/{dispute}")
def retrieve(call: Call) -> Json:
    """Read a dispute."""
    return call.world.get("dispute", call.ids[0])


@handles("GET /v1/disputes")
def list_(call: Call) -> Json:
    """List disputes by charge or intent."""
    filters = {"charge": call.params.get("charge"), "payment_intent": call.params.get("payment_intent")}
    result = listed(call, "dispute", filters)
    if filters["charge"]:
        result["count"] = len(call.world.table("dispute").where("charge", filters["charge"]))
    return result


@handles("POST /v1/disputes/{dispute}")
def update(call: Call) -> Json:
    """Add evidence; `winning_evidence` and `losing_evidence` decide the case when submitted."""
    dispute = call.world.get("dispute", call.ids[0])
    evidence = call.params.get("evidence") or {}
    if evidence and dispute["status"] not in _OPEN:
        raise ApiError(400, "This dispute is already closed, so its evidence cannot be changed.")
    submit = call.params.get("submit", True) and bool(evidence)
    with call.changing(dispute, "charge.dispute.updated"):
        assign(dispute, call.params, ())
        dispute["evidence"] = dispute["evidence"] | evidence
        if evidence:
            dispute["evidence_details"] = dispute["evidence_details"] | {"has_evidence": True}
        if submit:
            _submit(dispute)
    if submit:
        _decide(call, dispute)
    return dispute


def _submit(dispute: Json) -> None:
    warning = dispute["status"].startswith("warning")
    dispute["status"] = "warning_under_review" if warning else "under_review"
    details = dispute["evidence_details"]
    count = details["submission_count"] + 1
    dispute["evidence_details"] = details | {"submission_count": count, "submission_method": "manual"}


def _decide(call: Call, dispute: Json) -> None:
    said = dispute["evidence"]["uncategorized_text"]
    charge = call.world.get("charge", dispute["charge"])
    if said == "winning_evidence":
        warning = dispute["status"].startswith("warning")
        with call.changing(dispute):
            dispute["status"] = "warning_closed" if warning else "won"
        if not warning:
            _move_funds(call, dispute, +1)
            call.emit("charge.dispute.funds_reinstated", dispute)
        call.emit("charge.dispute.closed", dispute)
    elif said == "losing_evidence":
        with call.changing(dispute):
            dispute["status"] = "lost"
        call.emit("charge.dispute.closed", dispute)
    call.emit("charge.updated", charge, {})


@handles("POST /v1/disputes/{dispute}/close")
def close(call: Call) -> Json:
    """Give the case up: it is lost, for good."""
    dispute = call.world.get("dispute", call.ids[0])
    if dispute["status"] not in _OPEN:
        raise ApiError(400, "This dispute is already closed.")
    with call.changing(dispute):
        dispute["status"] = "lost"
    call.emit("charge.dispute.closed", dispute)
    call.emit("charge.updated", call.world.get("charge", dispute["charge"]), {})
    return dispute
