"""The state machine of saving a method: confirm, challenge, refusal."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.cards import Decline
from plugins.stripe.sandbox.challenges import NOT_AUTHENTICATED, next_action
from plugins.stripe.sandbox.errors import ApiError, Json, docs_url
from plugins.stripe.sandbox.objects.microdeposits import ask_for_verification
from plugins.stripe.sandbox.objects.new_methods import card_of
from plugins.stripe.sandbox.objects.payment_methods import decline_error
from plugins.stripe.sandbox.wire import copied


def attempt(call: Call, intent: Json, method: Json) -> None:
    """Try to save a method.

    Raises:
        ApiError: 402, the card was refused.
    """
    with call.changing(intent):
        intent |= {"last_setup_error": None, "next_action": None, "payment_method": method["id"]}
    _record(call, intent, method)
    if method["type"] == "us_bank_account" and not call.world.note(method["id"]).get("verified"):
        ask_for_verification(call, intent)
        call.emit("setup_intent.requires_action", intent)
        return
    if method["type"] == "card":
        card = card_of(call.world, method)
        if card.decline is not None and not card.attaches:
            _refuse(call, intent, method, card.decline)
        if card.challenge != "never":
            with call.changing(intent):
                intent |= {"status": "requires_action", "next_action": next_action(call, intent)}
            call.emit("setup_intent.requires_action", intent)
            return
    succeed(call, intent, method)


def _record(call: Call, intent: Json, method: Json) -> None:
    kind = method["type"]
    made = call.world.add(
        "setup_attempt",
        {
            "application": None,
            "attach_to_self": False,
            "customer": intent["customer"],
            "customer_account": None,
            "flow_directions": None,
            "on_behalf_of": None,
            "payment_method": method["id"],
            "payment_method_details": {"type": kind, kind: _details(method)},
            "setup_error": None,
            "setup_intent": intent["id"],
            "status": "requires_confirmation",
            "usage": intent["usage"],
        },
        created=call.now(intent["customer"]),
    )
    intent["latest_attempt"] = made["id"]


def _details(method: Json) -> Json:
    if method["type"] != "card":
        return {}
    card = method["card"]
    kept = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {k: card[k] for k in kept} | {"network": card["brand"], "three_d_secure": None, "wallet": None}


def _end_attempt(call: Call, intent: Json, status: str, error: Json | None = None) -> None:
    attempt_row = call.world.find("setup_attempt", intent["latest_attempt"])
    if attempt_row is not None:
        with call.changing(attempt_row):
            attempt_row |= {"status": status, "setup_error": error}


def succeed(call: Call, intent: Json, method: Json) -> None:
    """The method is saved."""
    customer = call.world.find("customer", intent["customer"])
    if customer is not None and method["customer"] is None:
        with call.changing(method):
            method["customer"] = customer["id"]
            if method["type"] == "card":
                method["card"]["checks"]["cvc_check"] = "pass"
        call.emit("payment_method.attached", method)
    call.world.note(method["id"])["set_up"] = True
    _end_attempt(call, intent, "succeeded")
    with call.changing(intent):
        intent |= {"last_setup_error": None, "next_action": None, "status": "succeeded"}
        if method["type"] == "us_bank_account":
            intent["mandate"] = _mandate(call, method)["id"]
    call.emit("setup_intent.succeeded", intent)


def _mandate(call: Call, method: Json) -> Json:
    mandate = call.world.add(
        "mandate",
        {
            "customer_acceptance": {
                "accepted_at": call.now(),
                "online": {"ip_address": "127.0.0.1", "user_agent": "Stripe sandbox"},
                "type": "online",
            },
            "multi_use": {},
            "payment_method": method["id"],
            "payment_method_details": {
                "type": "us_bank_account",
                "us_bank_account": {"collection_method": "paper"},
            },
            "status": "active",
            "type": "multi_use",
        },
    )
    del mandate["created"]
    return mandate


def authenticated(call: Call, intent: Json) -> None:
    """The customer passed the challenge."""
    succeed(call, intent, call.world.get("payment_method", intent["payment_method"]))


def authentication_failed(call: Call, intent: Json) -> None:
    """The customer failed the challenge, or gave up."""
    method = call.world.get("payment_method", intent["payment_method"])
    code = "setup_intent_authentication_failure"
    _fail(
        call,
        intent,
        {
            "code": code,
            "doc_url": docs_url(code),
            "message": NOT_AUTHENTICATED,
            "payment_method": copied(method),
            "type": "invalid_request_error",
        },
    )


def _fail(call: Call, intent: Json, error: Json) -> None:
    _end_attempt(call, intent, "failed", error)
    with call.changing(intent):
        intent |= {
            "last_setup_error": error,
            "next_action": None,
            "payment_method": None,
            "status": "requires_payment_method",
        }
    call.emit("setup_intent.setup_failed", intent)


def _refuse(call: Call, intent: Json, method: Json, decline: Decline) -> None:
    error = decline_error(decline) | {"payment_method": copied(method)}
    _fail(call, intent, error)
    extra = {k: v for k, v in error.items() if k not in ("code", "doc_url", "message", "param", "type")}
    raise ApiError(
        402,
        decline.message,
        code=decline.code,
        param=decline.param,
        kind="card_error",
        setup_intent=copied(intent),
        **extra,
    )
