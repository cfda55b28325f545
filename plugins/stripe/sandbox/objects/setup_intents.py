"""Setup intents: saving a method for later, without a payment."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json, not_built
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.objects import microdeposits
from plugins.stripe.sandbox.objects.attempts import OPEN_STATES
from plugins.stripe.sandbox.objects.customers import require_customer
from plugins.stripe.sandbox.objects.intents import (
    check_owner,
    check_type,
    chosen_method,
    default_options,
    merge_options,
    remember_confirmation,
    type_fields,
    unexpected_state,
)
from plugins.stripe.sandbox.objects.setup_attempts import attempt, succeed
from plugins.stripe.sandbox.store.ids import new_client_secret, new_id


@handles("POST /v1/setup_intents")
def create(call: Call) -> Json:
    """Make an intent, and confirm it if asked."""
    params = call.params
    for name in ("confirmation_token", "on_behalf_of", "single_use", "attach_to_self"):
        if params.get(name):
            raise not_built(f"`{name}` on setup intents")
    customer = params.get("customer")
    if customer:
        require_customer(call, customer)
    types = type_fields(params, "usd")
    method = chosen_method(call, customer)
    fields = _fresh(types["payment_method_types"]) | types | {"customer": customer}
    intent = call.world.add("setup_intent", fields, created=call.now(customer))
    assign(intent, params, ("description", "flow_directions"))
    merge_options(intent, params)
    # Stripe was recorded to answer `off_session` also where `on_session` was asked for.
    asked = params.get("usage") or "off_session"
    intent["usage"] = "off_session" if asked == "on_session" else asked
    if method is not None:
        check_type(intent, method)
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    call.emit("setup_intent.created", intent)
    if params.get("confirm"):
        _confirm(call, intent)
    return intent


_EMPTY = (
    "allowed_payment_method_types application automatic_payment_methods cancellation_reason customer_account "
    "description excluded_payment_method_types flow_directions last_setup_error latest_attempt mandate "
    "next_action "
    "on_behalf_of payment_method payment_method_configuration_details single_use_mandate"
).split()


def _fresh(types: list[str]) -> Json:
    intent_id = new_id("setup_intent")
    return dict.fromkeys(_EMPTY) | {
        "id": intent_id,
        "client_secret": new_client_secret(intent_id),
        "managed_payments": {"enabled": False},
        "metadata": {},
        "payment_method_options": _options(types),
        "status": "requires_payment_method",
    }


def _options(types: list[str]) -> Json:
    options = default_options(types)
    if "card" in options:
        kept = ("mandate_options", "network", "request_three_d_secure")
        options["card"] = {k: options["card"][k] for k in kept}
    return options


@handles("GET /v1/setup_intents/{intent}")
def retrieve(call: Call) -> Json:
    """Read an intent."""
    return call.world.get("setup_intent", call.ids[0], param="intent")


@handles("GET /v1/setup_intents")
def list_(call: Call) -> Json:
    """List intents by customer or method."""
    filters = {"customer": call.params.get("customer"), "payment_method": call.params.get("payment_method")}
    if filters["customer"]:
        require_customer(call, filters["customer"])
    return listed(call, "setup_intent", filters)


@handles("POST /v1/setup_intents/{intent}")
def update(call: Call) -> Json:
    """Change an intent that is still open; metadata and description at any time."""
    intent = call.world.get("setup_intent", call.ids[0], param="intent")
    params = call.params
    locked = [n for n in params if n not in ("metadata", "description")]
    if locked and intent["status"] not in OPEN_STATES:
        raise unexpected_state(
            intent,
            f"This SetupIntent's {locked[0]} could not be updated because it has a status of "
            f"{intent['status']}. You may only update the {locked[0]} of a SetupIntent with one of the "
            "following "
            f"statuses: {', '.join(OPEN_STATES)}.",
            param=locked[0],
        )
    if params.get("customer"):
        require_customer(call, params["customer"])
    method = chosen_method(call, params.get("customer") or intent["customer"])
    with call.changing(intent):
        assign(intent, params, ("customer", "description"))
        merge_options(intent, params)
        if params.get("payment_method_types") or params.get("allowed_payment_method_types"):
            intent |= type_fields(params, "usd")
        if method is not None:
            check_type(intent, method)
            intent |= {"payment_method": method["id"], "status": "requires_confirmation", "next_action": None}
    return intent


@handles("POST /v1/setup_intents/{intent}/confirm")
def confirm(call: Call) -> Json:
    """Try to save the method, with a secret key or from a browser."""
    intent = call.world.get("setup_intent", call.ids[0], param="intent")
    if intent["status"] not in OPEN_STATES:
        raise unexpected_state(
            intent,
            "You cannot confirm this SetupIntent because it has already succeeded."
            if intent["status"] == "succeeded"
            else f"You cannot confirm this SetupIntent because it has a status of {intent['status']}.",
        )
    method = chosen_method(call, intent["customer"])
    if method is not None:
        check_type(intent, method)
        with call.changing(intent):
            merge_options(intent, call.params)
            intent["payment_method"] = method["id"]
    _confirm(call, intent)
    return intent


def _confirm(call: Call, intent: Json) -> None:
    method = call.world.find("payment_method", intent["payment_method"])
    if method is None:
        raise unexpected_state(
            intent,
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the "
            "SetupIntent "
            "with a payment method and then confirm it again.",
        )
    check_owner(call, method, intent["customer"])
    remember_confirmation(call, intent)
    attempt(call, intent, method)


@handles("POST /v1/setup_intents/{intent}/cancel")
def cancel(call: Call) -> Json:
    """Give an intent up."""
    intent = call.world.get("setup_intent", call.ids[0], param="intent")
    if intent["status"] not in OPEN_STATES:
        raise unexpected_state(
            intent,
            f"You cannot cancel this SetupIntent because it has a status of {intent['status']}. Only a "
            "SetupIntent with one of the following statuses may be canceled: "
            f"{', '.join(OPEN_STATES)}.",
        )
    with call.changing(intent):
        reason = call.params.get("cancellation_reason")
        intent |= {"cancellation_reason": reason, "next_action": None, "status": "canceled"}
    call.emit("setup_intent.canceled", intent)
    return intent


@handles("POST /v1/setup_intents/{intent}/verify_microdeposits")
def verify_microdeposits(call: Call) -> Json:
    """Prove a bank account; then it is saved."""
    intent = call.world.get("setup_intent", call.ids[0], param="intent")
    succeed(call, intent, microdeposits.check(call, intent, "last_setup_error"))
    return intent


@handles("GET /v1/setup_attempts")
def list_attempts(call: Call) -> Json:
    """List the attempts of an intent."""
    if call.world.find("setup_intent", call.params["setup_intent"]) is None:
        raise ApiError(
            400,
            f"No such setupintent: '{call.params['setup_intent']}'",
            code="resource_missing",
            param="setup_intent",
        )
    return listed(call, "setup_attempt", {"setup_intent": call.params["setup_intent"]})


@handles("GET /v1/mandates/{mandate}")
def retrieve_mandate(call: Call) -> Json:
    """Read a mandate."""
    return call.world.get("mandate", call.ids[0], param="mandate")
