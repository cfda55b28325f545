"""Charges: one for each attempt to collect an intent."""

from __future__ import annotations

from typing import Any

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.cards import Decline
from plugins.stripe.sandbox.errors import ApiError, Json, missing_object
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.objects.balances import book_charge
from plugins.stripe.sandbox.store.ids import new_id, random_text

BALANCE_DELAY_SECONDS = 1.0
"""How long after an automatic capture the balance transaction appears, in world time."""


def add_charge(
    call: Call, intent: Json, method: Json, *, status: str, decline: Decline | None = None
) -> Json:
    """Store the charge of one attempt: `succeeded`, `pending` or `failed`."""
    captured = status == "succeeded" and intent["capture_method"] != "manual"
    bank = method["type"] == "us_bank_account"
    charge_id = new_id("charge")
    return call.world.add(
        "charge",
        {
            **_unused(),
            "id": charge_id.replace("ch_", "py_", 1) if bank else charge_id,
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if captured or status == "pending" else 0,
            "billing_details": method["billing_details"],
            "captured": captured or status == "pending",
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "failure_code": decline.code if decline else None,
            "failure_message": decline.message if decline else None,
            "metadata": dict(intent["metadata"]),
            "outcome": outcome(status, decline),
            "paid": status == "succeeded",
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": _details(intent, method),
            "receipt_email": intent["receipt_email"],
            "receipt_url": None
            if status == "failed"
            else f"{call.sandbox.url}/_sandbox/receipts/{charge_id}",
            "shipping": intent["shipping"],
            "statement_descriptor": intent["statement_descriptor"],
            "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
            "status": status,
            "transfer_group": intent["transfer_group"],
        },
        created=call.now(intent["customer"]),
    )


def _unused() -> Json:
    """Fields that the sandbox never fills."""
    names = (
        "application application_fee application_fee_amount balance_transaction destination dispute "
        "failure_balance_transaction on_behalf_of order receipt_number review source source_transfer "
        "transfer_data"
    )
    return dict.fromkeys(names.split()) | {
        "amount_refunded": 0,
        "calculated_statement_descriptor": "WORKESTRA SANDBOX",
        "disputed": False,
        "fraud_details": {},
        "radar_options": {},
        "refunded": False,
    }


def outcome(status: str, decline: Decline | None) -> Json:
    """What the network and Stripe's risk rules said."""
    base: Json = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    if decline is None:
        return base if status == "succeeded" else base | {"seller_message": "Payment pending."}
    if decline.blocked:
        return base | {
            "network_status": "not_sent_to_network",
            "reason": "highest_risk_level",
            "risk_level": "highest",
            "risk_score": 95,
            "seller_message": "Stripe blocked this payment as too risky.",
            "type": "blocked",
        }
    return base | {
        "advice_code": decline.advice_code,
        "network_decline_code": decline.network_decline_code,
        "network_status": "declined_by_network",
        "reason": decline.decline_code,
        "seller_message": _seller_message(decline),
        "type": "issuer_declined",
    }


def _seller_message(decline: Decline) -> str:
    if decline.decline_code == "generic_decline":
        return "The bank did not return any further details with this decline."
    return f"The bank returned the decline code `{decline.decline_code}`."


def _details(intent: Json, method: Json) -> Json:
    if method["type"] == "card":
        return {"card": _card_details(intent, method), "type": "card"}
    if method["type"] == "us_bank_account":
        bank = {k: v for k, v in method["us_bank_account"].items() if k in _BANK_FIELDS}
        return {"type": "us_bank_account", "us_bank_account": bank | _BANK_CONSTANTS}
    return {method["type"]: {}, "type": method["type"]}


_BANK_FIELDS = frozenset(
    {"account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number"}
)
_BANK_CONSTANTS: Json = {"expected_debit_date": None, "mandate": None, "payment_reference": None}


def _card_details(intent: Json, method: Json) -> Json:
    card = method["card"]
    shared = {k: card[k] for k in ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint")}
    checks = card["checks"] | {"cvc_check": "pass"}
    return shared | {
        "amount_authorized": intent["amount"],
        "authorization_code": random_text(6).upper(),
        "checks": checks,
        "extended_authorization": {"status": "disabled"},
        "funding": card["funding"],
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": card["last4"],
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": random_text(15),
        "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": None,
        "wallet": None,
    }


THREE_D_SECURE: Json = {
    "authentication_flow": "challenge",
    "electronic_commerce_indicator": "05",
    "exemption_indicator": None,
    "result": "authenticated",
    "result_reason": None,
    "transaction_id": None,
    "version": "2.2.0",
}
"""What a charge says after a passed challenge."""


def plan_balance(call: Call, charge: Json, intent: Json) -> None:
    """Book a captured charge: at once for `automatic` and `manual`, a moment later for `automatic_async`."""
    if intent["capture_method"] == "automatic_async":
        call.world.plan("book_charge", charge["id"], after=BALANCE_DELAY_SECONDS)
    else:
        charge["balance_transaction"] = book_charge(call, charge, charge["payment_method_details"]["type"])


def book_planned(call: Call, charge_id: str) -> None:
    """The moment has come: give the charge its balance transaction."""
    charge = call.world.find("charge", charge_id)
    if charge is None or charge["balance_transaction"] is not None:
        return
    with call.changing(charge, "charge.updated"):
        charge["balance_transaction"] = book_charge(call, charge, charge["payment_method_details"]["type"])


@handles("GET /v1/charges/{charge}")
def retrieve(call: Call) -> Json:
    """Read a charge."""
    return call.world.get("charge", call.ids[0])


@handles("POST /v1/charges/{charge}")
def update(call: Call) -> Json:
    """Change description, metadata and the like."""
    charge = call.world.get("charge", call.ids[0])
    with call.changing(charge, "charge.updated"):
        assign(charge, call.params, ("description", "receipt_email", "fraud_details", "transfer_group"))
    return charge


@handles("GET /v1/charges")
def list_(call: Call) -> Json:
    """List charges by customer or intent."""
    intent_id = call.params.get("payment_intent")
    if intent_id and call.world.find("payment_intent", intent_id) is None:
        raise missing_object("payment_intent", intent_id, param="payment_intent", status=404)
    return listed(call, "charge", {"customer": call.params.get("customer"), "payment_intent": intent_id})


@handles("POST /v1/charges")
def create(_call: Call) -> Json:
    """Charges are made by intents."""
    raise ApiError(
        400,
        "The sandbox makes charges through payment intents only. See "
        "https://docs.stripe.com/payments/payment-intents.",
    )


def failed_fields(code: str, message: str) -> dict[str, Any]:
    """What changes on a charge that failed after being pending."""
    return {"status": "failed", "paid": False, "failure_code": code, "failure_message": message}
