"""Payment intents: create, change, confirm, capture, cancel."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json, not_built
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.money import in_words
from plugins.stripe.sandbox.objects import microdeposits
from plugins.stripe.sandbox.objects.addresses import shipping
from plugins.stripe.sandbox.objects.attempts import OPEN_STATES, attempt, finish, start_debit
from plugins.stripe.sandbox.objects.charges import plan_balance
from plugins.stripe.sandbox.objects.customers import require_customer
from plugins.stripe.sandbox.objects.intents import (
    check_owner,
    check_type,
    chosen_method,
    merge_options,
    remember_confirmation,
    type_fields,
    unexpected_state,
)
from plugins.stripe.sandbox.objects.new_intents import add_intent, check_amount
from plugins.stripe.sandbox.objects.settlements import invoice_of

_PLAIN = (
    "application_fee_amount",
    "capture_method",
    "description",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_EVER = frozenset({"description", "metadata", "receipt_email", "shipping"})
"""What may be changed in any state."""
_OF_INVOICES = frozenset(
    {
        "description",
        "metadata",
        "payment_method",
        "payment_method_data",
        "payment_method_options",
        "receipt_email",
        "setup_future_usage",
        "shipping",
    }
)
"""What may be changed on the intent of an invoice."""
_CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
    "processing",
)


# ---- making them


@handles("POST /v1/payment_intents")
def create(call: Call) -> Json:
    """Make an intent, and confirm it if asked."""
    params = call.params
    check_amount(params["amount"], params["currency"].lower())
    _refuse_unbuilt(params)
    if not params.get("confirm"):
        _refuse_confirm_only(params)
    fields = type_fields(params, params["currency"].lower())
    fields |= {"amount": params["amount"], "currency": params["currency"].lower()}
    if customer := params.get("customer"):
        fields["customer"] = require_customer(call, customer)["id"]
    method = chosen_method(call, fields.get("customer"))
    intent = add_intent(call, fields)
    _fill(call, intent)
    if method is not None:
        check_type(intent, method)
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    call.emit("payment_intent.created", intent)
    if params.get("confirm"):
        _confirm(call, intent)
    return intent


def _refuse_unbuilt(params: Json) -> None:
    for name in ("confirmation_token", "transfer_data", "on_behalf_of"):
        if params.get(name):
            raise not_built(f"`{name}` on payment intents")


def _refuse_confirm_only(params: Json) -> None:
    for name in ("return_url", "off_session", "error_on_requires_action", "mandate_data"):
        if params.get(name):
            raise ApiError(
                400,
                f"You cannot provide `{name}` unless you also set `confirm` to `true`.",
                param=name,
            )


def _fill(call: Call, intent: Json) -> None:
    params = call.params
    assign(intent, params, _PLAIN)
    if "shipping" in params:
        intent["shipping"] = shipping(params["shipping"])
    if "confirmation_method" in params:
        intent["confirmation_method"] = params["confirmation_method"]
    merge_options(intent, params)


# ---- reading


@handles("GET /v1/payment_intents/{intent}")
def retrieve(call: Call) -> Json:
    """Read an intent."""
    return call.world.get("payment_intent", call.ids[0], param="intent")


@handles("GET /v1/payment_intents")
def list_(call: Call) -> Json:
    """List intents, of one customer if asked."""
    if customer := call.params.get("customer"):
        require_customer(call, customer)
    return listed(call, "payment_intent", {"customer": call.params.get("customer")})


# ---- changing


@handles("POST /v1/payment_intents/{intent}")
def update(call: Call) -> Json:
    """Change an intent, as far as its state and its invoice allow."""
    intent = call.world.get("payment_intent", call.ids[0], param="intent")
    params = call.params
    _check_editable(call, intent)
    _refuse_unbuilt(params)
    if "amount" in params or "currency" in params:
        currency = (params.get("currency") or intent["currency"]).lower()
        check_amount(int(params.get("amount") or intent["amount"]), currency)
    if params.get("customer"):
        require_customer(call, params["customer"])
    method = chosen_method(call, params.get("customer") or intent["customer"])
    with call.changing(intent):
        assign(intent, params, ("amount",))
        if "currency" in params:
            intent["currency"] = params["currency"].lower()
        if "customer" in params:
            intent["customer"] = params["customer"]
        if params.get("payment_method_types") or params.get("allowed_payment_method_types"):
            intent |= type_fields(params, intent["currency"])
        _fill(call, intent)
        if intent["status"] in OPEN_STATES:
            intent["last_payment_error"] = None
        if method is not None:
            check_type(intent, method)
            intent |= {"payment_method": method["id"], "status": "requires_confirmation", "next_action": None}
        elif "payment_method" in params and params["payment_method"] is None:
            intent |= {"payment_method": None, "status": "requires_payment_method", "next_action": None}
    return intent


def _check_editable(call: Call, intent: Json) -> None:
    names = [n for n in call.params if n not in _EVER]
    if invoice_of(call, intent) is not None and (locked := [n for n in names if n not in _OF_INVOICES]):
        raise ApiError(
            400,
            f"This PaymentIntent belongs to an invoice, so its `{locked[0]}` cannot be updated directly. "
            "Update the "
            "invoice instead.",
            code="payment_intent_invalid_parameter",
            param=locked[0],
        )
    if names and intent["status"] not in OPEN_STATES:
        raise unexpected_state(
            intent,
            f"This PaymentIntent's {names[0]} could not be updated because it has a status of "
            f"{intent['status']}. You "
            f"may only update the {names[0]} of a PaymentIntent with one of the following statuses: "
            f"{', '.join(OPEN_STATES)}.",
            param=names[0],
        )


# ---- confirming


@handles("POST /v1/payment_intents/{intent}/confirm")
def confirm(call: Call) -> Json:
    """Try to collect, with a secret key or from a browser."""
    intent = call.world.get("payment_intent", call.ids[0], param="intent")
    _refuse_unbuilt(call.params)
    _check_confirmable(intent)
    method = chosen_method(call, intent["customer"])
    with call.changing(intent):
        _fill(call, intent)
        if call.params.get("payment_method_types") or call.params.get("allowed_payment_method_types"):
            intent |= type_fields(call.params, intent["currency"])
        if method is not None:
            check_type(intent, method)
            intent["payment_method"] = method["id"]
    _confirm(call, intent)
    return intent


def _check_confirmable(intent: Json) -> None:
    if intent["status"] in OPEN_STATES:
        return
    if intent["status"] == "succeeded":
        raise unexpected_state(
            intent,
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously "
            "confirmed.",
        )
    raise unexpected_state(
        intent,
        f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}. Only a "
        "PaymentIntent "
        "with one of the following statuses may be confirmed: requires_confirmation, requires_action.",
    )


def _confirm(call: Call, intent: Json) -> None:
    method = call.world.find("payment_method", intent["payment_method"])
    if method is None:
        raise unexpected_state(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either "
            "update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly "
            "with a "
            "payment method or ConfirmationToken.",
        )
    check_owner(call, method, intent["customer"])
    remember_confirmation(call, intent)
    attempt(call, intent, method)


@handles("POST /v1/payment_intents/{intent}/verify_microdeposits")
def verify_microdeposits(call: Call) -> Json:
    """Prove a bank account; then the debit starts."""
    intent = call.world.get("payment_intent", call.ids[0], param="intent")
    method = microdeposits.check(call, intent, "last_payment_error")
    start_debit(call, intent, method)
    return intent


# ---- capturing and canceling


@handles("POST /v1/payment_intents/{intent}/capture")
def capture(call: Call) -> Json:
    """Take the money that was set aside."""
    intent = call.world.get("payment_intent", call.ids[0], param="intent")
    if intent["status"] != "requires_capture":
        raise unexpected_state(intent, _not_capturable(intent))
    amount = int(call.params.get("amount_to_capture") or intent["amount_capturable"])
    if amount > intent["amount_capturable"]:
        raise ApiError(
            400,
            f"The requested capture amount is greater than the authorized amount of "
            f"{in_words(intent['amount_capturable'], intent['currency'])}.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = call.world.get("charge", intent["latest_charge"])
    with call.changing(charge):
        charge |= {"amount_captured": amount, "captured": True}
        charge["amount_refunded"] = charge["amount"] - amount
        plan_balance(call, charge, intent)
    with call.changing(intent):
        assign(intent, call.params, ("statement_descriptor", "statement_descriptor_suffix"))
    call.emit("charge.captured", charge)
    finish(call, intent, amount)
    return intent


def _not_capturable(intent: Json) -> str:
    if intent["status"] == "succeeded":
        return "This PaymentIntent could not be captured because it has already been captured."
    return (
        f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a "
        "PaymentIntent "
        "with one of the following statuses may be captured: requires_capture."
    )


@handles("POST /v1/payment_intents/{intent}/cancel")
def cancel(call: Call) -> Json:
    """Give an intent up."""
    intent = call.world.get("payment_intent", call.ids[0], param="intent")
    if intent["status"] not in _CANCELABLE:
        raise unexpected_state(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a "
            "PaymentIntent "
            f"with one of the following statuses may be canceled: {', '.join(_CANCELABLE)}.",
        )
    if invoice_of(call, intent) is not None:
        raise ApiError(
            400,
            "This PaymentIntent belongs to an invoice and cannot be canceled directly. Void the invoice "
            "instead.",
            code="payment_intent_invalid_parameter",
        )
    cancel_intent(call, intent, call.params.get("cancellation_reason"))
    return intent


def cancel_intent(call: Call, intent: Json, reason: str | None) -> None:
    """Cancel; what was set aside is released."""
    charge = call.world.find("charge", intent["latest_charge"])
    held = intent["status"] == "requires_capture"
    call.world.unplan("settle_debit", intent["id"])
    if charge is not None and charge["status"] == "pending":
        with call.changing(charge):
            charge |= {"status": "failed", "failure_message": "The payment was canceled."}
    with call.changing(intent):
        intent |= {
            "amount_capturable": 0,
            "canceled_at": call.now(intent["customer"]),
            "cancellation_reason": reason,
            "next_action": None,
            "status": "canceled",
        }
    if held and charge is not None:
        with call.changing(charge):
            charge |= {"amount_refunded": charge["amount"], "refunded": True}
        call.emit("charge.refunded", charge, {"amount_refunded": 0, "refunded": False})
    call.emit("payment_intent.canceled", intent)
