"""What payment intents and setup intents share: method types, the method to use, states."""

from __future__ import annotations

from typing import Any

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.objects.new_methods import method_for, method_from_data
from plugins.stripe.sandbox.objects.payment_methods import used_up
from plugins.stripe.sandbox.wire import copied

CONFIGURATION = "pmc_1SandboxDefault0000000000"
"""The one configuration of payment methods of each account."""


def available_types(currency: str) -> list[str]:
    """The methods an account of the sandbox takes in a currency."""
    return ["card", "link", "us_bank_account"] if currency == "usd" else ["card", "link"]


def default_options(types: list[str]) -> Json:
    """The options of each method type as Stripe fills them in."""
    defaults: Json = {
        "card": {
            "installments": None,
            "mandate_options": None,
            "network": None,
            "request_three_d_secure": "automatic",
        },
        "link": {"persistent_token": None},
        "us_bank_account": {"verification_method": "automatic"},
    }
    return {kind: defaults.get(kind, {}) for kind in types}


def merge_options(intent: Json, params: Json) -> None:
    """Take over the options that are given, kind by kind."""
    if isinstance(options := params.get("payment_method_options"), dict):
        merged = dict(intent["payment_method_options"])
        for kind, given in options.items():
            merged[kind] = {**merged.get(kind, {}), **(given or {})}
        intent["payment_method_options"] = merged


def type_fields(params: Json, currency: str) -> Json:
    """Which methods may pay: named ones, or those switched on in the Dashboard."""
    named = params.get("payment_method_types") or params.get("allowed_payment_method_types")
    if named:
        return {
            "allowed_payment_method_types": params.get("allowed_payment_method_types"),
            "payment_method_types": list(named),
        }
    excluded = params.get("excluded_payment_method_types") or []
    automatic = params.get("automatic_payment_methods") or {}
    return {
        "automatic_payment_methods": {
            "allow_redirects": automatic.get("allow_redirects", "always"),
            "enabled": automatic.get("enabled", True),
        },
        "excluded_payment_method_types": excluded or None,
        "payment_method_configuration_details": {"id": CONFIGURATION, "parent": None},
        "payment_method_types": [t for t in available_types(currency) if t not in excluded],
    }


def check_type(intent: Json, method: Json) -> None:
    """Refuse a method whose type the intent does not take."""
    if method["type"] not in intent["payment_method_types"]:
        raise ApiError(
            400,
            f"The PaymentMethod provided ({method['type']}) is not allowed for this {_noun(intent)}. Please "
            "attach a "
            "PaymentMethod of one of the following types: "
            f"{', '.join(intent['payment_method_types'])}.",
            code=f"{intent['object']}_incompatible_payment_method"
            if intent["object"] == "payment_intent"
            else None,
            param="payment_method",
        )


def _noun(intent: Json) -> str:
    return "PaymentIntent" if intent["object"] == "payment_intent" else "SetupIntent"


def chosen_method(call: Call, customer_id: str | None) -> Json | None:
    """The method that the parameters name or describe, fit for this customer."""
    if data := call.params.get("payment_method_data"):
        return method_from_data(call, data, prefix="payment_method_data")
    method_id = call.params.get("payment_method")
    if not method_id:
        return None
    method = method_for(call, method_id)
    check_owner(call, method, customer_id)
    return method


def check_owner(call: Call, method: Json, customer_id: str | None) -> None:
    """Refuse a method of another customer, and one that is used up."""
    if method["customer"] is not None and method["customer"] != customer_id:
        if customer_id is None:
            raise ApiError(
                400,
                "The PaymentMethod provided belongs to a customer. Please include the customer in the "
                "`customer` "
                f"parameter ({method['customer']}).",
                param="payment_method",
            )
        raise ApiError(
            400,
            "The provided PaymentMethod cannot be attached. It belongs to another Customer than "
            f"{customer_id}.",
            param="payment_method",
        )
    if method["customer"] is None and call.world.note(method["id"]).get("spent"):
        raise used_up()


def unexpected_state(intent: Json, message: str, *, param: str | None = None) -> ApiError:
    """The state of an intent does not allow this; the envelope carries the intent."""
    kind = intent["object"]
    extra: dict[str, Any] = {kind: copied(intent)}
    return ApiError(400, message, code=f"{kind}_unexpected_state", param=param, **extra)


def remember_confirmation(call: Call, intent: Json) -> None:
    """Note how this confirmation wants to be answered."""
    note = call.world.note(intent["id"])
    for name in ("return_url", "off_session", "use_stripe_sdk", "error_on_requires_action"):
        note[name] = call.params.get(name)
