"""The state machine of a payment: confirm, challenge, decline, bank debit, settlement."""

from __future__ import annotations

from plugins.stripe.sandbox.banks import Bank
from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.cards import AUTHENTICATION_REQUIRED, Card, Decline
from plugins.stripe.sandbox.challenges import NOT_AUTHENTICATED, next_action
from plugins.stripe.sandbox.errors import ApiError, Json, docs_url
from plugins.stripe.sandbox.objects import settlements
from plugins.stripe.sandbox.objects.charges import THREE_D_SECURE, add_charge, failed_fields, plan_balance
from plugins.stripe.sandbox.objects.disputes import dispute_charge
from plugins.stripe.sandbox.objects.fraud_warnings import warn_about
from plugins.stripe.sandbox.objects.microdeposits import ask_for_verification
from plugins.stripe.sandbox.objects.new_methods import bank_of, card_of
from plugins.stripe.sandbox.objects.payment_methods import decline_error
from plugins.stripe.sandbox.wire import copied

OPEN_STATES = ("requires_payment_method", "requires_confirmation", "requires_action")


def attempt(call: Call, intent: Json, method: Json) -> None:
    """Try to collect an intent with a method.

    Raises:
        ApiError: 402, the attempt was refused.
    """
    with call.changing(intent):
        intent |= {"last_payment_error": None, "next_action": None, "payment_method": method["id"]}
    if method["type"] == "us_bank_account":
        _debit_bank(call, intent, method)
        return
    if method["type"] != "card":
        _succeed(call, intent, method)
        return
    card = card_of(call.world, method)
    if _must_authenticate(call, intent, method, card):
        _challenge(call, intent)
        return
    _charge_card(call, intent, method, authenticated=False)


def _must_authenticate(call: Call, intent: Json, method: Json, card: Card) -> bool:
    note = call.world.note(intent["id"])
    if card.challenge == "never" and not _asked_for(intent):
        return False
    if note.get("off_session") and card.challenge == "once" and call.world.note(method["id"]).get("set_up"):
        return False
    if note.get("off_session"):
        _refuse(call, intent, method, AUTHENTICATION_REQUIRED, charge=None)
    if card.challenge == "once":
        return not call.world.note(method["id"]).get("set_up")
    return True


def _asked_for(intent: Json) -> bool:
    options = (intent["payment_method_options"] or {}).get("card") or {}
    return options.get("request_three_d_secure") in ("any", "challenge")


def _challenge(call: Call, intent: Json) -> None:
    note = call.world.note(intent["id"])
    if note.pop("error_on_requires_action", False):
        method = call.world.get("payment_method", intent["payment_method"])
        _refuse(call, intent, method, AUTHENTICATION_REQUIRED, charge=None)
    with call.changing(intent):
        intent |= {"status": "requires_action", "next_action": next_action(call, intent)}
    call.emit("payment_intent.requires_action", intent)
    settlements.note_action(call, intent)


def authenticated(call: Call, intent: Json) -> None:
    """The customer passed the challenge.

    Raises:
        ApiError: 402, the card is refused nevertheless.
    """
    method = call.world.get("payment_method", intent["payment_method"])
    with call.changing(intent):
        intent["next_action"] = None
    _charge_card(call, intent, method, authenticated=True)


def authentication_failed(call: Call, intent: Json) -> None:
    """The customer failed the challenge, or gave up: the intent asks for another method."""
    method = call.world.get("payment_method", intent["payment_method"])
    code = "payment_intent_authentication_failure"
    error: Json = {
        "code": code,
        "doc_url": docs_url(code),
        "message": NOT_AUTHENTICATED,
        "payment_method": copied(method),
        "type": "invalid_request_error",
    }
    with call.changing(intent):
        intent |= _failed_state(error)
    call.emit("payment_intent.payment_failed", intent)
    settlements.note_failure(call, intent)


def _failed_state(error: Json) -> Json:
    return {
        "last_payment_error": error,
        "next_action": None,
        "payment_method": None,
        "status": "requires_payment_method",
    }


def _charge_card(call: Call, intent: Json, method: Json, *, authenticated: bool) -> None:
    card = card_of(call.world, method)
    if card.decline is not None:
        charge = add_charge(call, intent, method, status="failed", decline=card.decline)
        with call.changing(intent):
            intent["latest_charge"] = charge["id"]
        _refuse(call, intent, method, card.decline, charge=charge)
    _succeed(call, intent, method, authenticated=authenticated)


def _refuse(call: Call, intent: Json, method: Json, decline: Decline, *, charge: Json | None) -> None:
    """Record a refusal and raise it. Without a charge nothing was sent to the bank."""
    error = decline_error(decline) | {"payment_method": copied(method)}
    if charge is not None:
        error["charge"] = charge["id"]
        call.emit("charge.failed", charge)
    with call.changing(intent):
        intent |= _failed_state(dict(sorted(error.items())))
    call.emit("payment_intent.payment_failed", intent)
    settlements.note_failure(call, intent)
    extra = {k: v for k, v in error.items() if k not in ("code", "doc_url", "message", "param", "type")}
    raise ApiError(
        402,
        decline.message,
        code=decline.code,
        param=decline.param,
        kind="card_error",
        payment_intent=copied(intent),
        **extra,
    )


def _succeed(call: Call, intent: Json, method: Json, *, authenticated: bool = False) -> None:
    charge = add_charge(call, intent, method, status="succeeded")
    if authenticated:
        charge["payment_method_details"]["card"]["three_d_secure"] = dict(THREE_D_SECURE)
    with call.changing(intent):
        intent |= {"latest_charge": charge["id"], "next_action": None}
    _after_success(call, intent, method)
    if intent["capture_method"] == "manual":
        with call.changing(intent):
            intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        call.emit("charge.succeeded", charge)
        call.emit("payment_intent.amount_capturable_updated", intent)
        return
    plan_balance(call, charge, intent)
    call.emit("charge.succeeded", charge)
    dispute_charge(call, charge, method)
    finish(call, intent, charge["amount_captured"])
    warn_about(call, charge, method)


def finish(call: Call, intent: Json, amount_received: int) -> None:
    """The money is there."""
    with call.changing(intent):
        intent |= {
            "amount_capturable": 0,
            "amount_received": amount_received,
            "last_payment_error": None,
            "next_action": None,
            "status": "succeeded",
        }
    call.emit("payment_intent.succeeded", intent)
    settlements.settle(call, intent)


def _after_success(call: Call, intent: Json, method: Json) -> None:
    """Save the method for later if asked; else it is used up."""
    customer = call.world.find("customer", intent["customer"])
    if intent["setup_future_usage"] and customer and method["customer"] is None:
        with call.changing(method):
            method["customer"] = customer["id"]
            if method["type"] == "card":
                method["card"]["checks"]["cvc_check"] = "pass"
        call.world.note(method["id"])["set_up"] = True
        call.emit("payment_method.attached", method)
    elif method["customer"] is None:
        call.world.note(method["id"])["spent"] = True


# ---- bank debits


def _debit_bank(call: Call, intent: Json, method: Json) -> None:
    if not call.world.note(method["id"]).get("verified"):
        ask_for_verification(call, intent)
        call.emit("payment_intent.requires_action", intent)
        settlements.note_action(call, intent)
        return
    start_debit(call, intent, method)


def start_debit(call: Call, intent: Json, method: Json) -> None:
    """Send the debit off; it ends days later, or when a control call says so."""
    charge = add_charge(call, intent, method, status="pending")
    _after_success(call, intent, method)
    with call.changing(intent):
        intent |= {
            "last_payment_error": None,
            "latest_charge": charge["id"],
            "next_action": None,
            "status": "processing",
        }
    call.emit("charge.pending", charge)
    call.emit("payment_intent.processing", intent)
    if not bank_of(call.world, method).stays_processing:
        call.plan("settle_debit", intent, at=call.now(intent["customer"]) + call.sandbox.settle_seconds)


def end_debit(call: Call, intent: Json, outcome: str | None = None) -> None:
    """End a debit as its test account says, or as `outcome` says: `succeeded` or a failure code."""
    if intent["status"] != "processing":
        return
    call.world.unplan("settle_debit", intent["id"])
    method = call.world.get("payment_method", intent["payment_method"])
    charge = call.world.get("charge", intent["latest_charge"])
    bank = bank_of(call.world, method)
    code, message = _debit_failure(bank, outcome)
    if code is not None:
        _fail_debit(call, intent, charge, code=code, message=message)
        return
    with call.changing(charge):
        charge |= {"status": "succeeded", "paid": True, "amount_captured": charge["amount"], "captured": True}
        charge["outcome"] = charge["outcome"] | {"seller_message": "Payment complete."}
    plan_balance(call, charge, intent)
    call.emit("charge.succeeded", charge)
    if bank.dispute:
        dispute_charge(call, charge, method)
    finish(call, intent, charge["amount"])


def _debit_failure(bank: Bank, outcome: str | None) -> tuple[str | None, str]:
    if outcome is None and bank.failure is not None:
        return bank.failure.code, bank.failure.message
    if outcome in (None, "succeeded"):
        return None, ""
    return outcome, "The bank debit failed."


def _fail_debit(call: Call, intent: Json, charge: Json, *, code: str, message: str) -> None:
    method = call.world.get("payment_method", intent["payment_method"])
    with call.changing(charge):
        charge |= failed_fields(code, message)
        charge["outcome"] = charge["outcome"] | {
            "network_status": "declined_by_network",
            "reason": code,
            "seller_message": message,
            "type": "issuer_declined",
        }
    error: Json = {
        "charge": charge["id"],
        "code": code,
        "doc_url": docs_url(code),
        "message": message,
        "payment_method": copied(method),
        "type": "invalid_request_error",
    }
    with call.changing(intent):
        intent |= _failed_state(error)
    call.emit("charge.failed", charge)
    call.emit("payment_intent.payment_failed", intent)
    settlements.note_failure(call, intent)
