"""Payment methods: read, change, attach to a customer, detach."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.cards import Decline
from plugins.stripe.sandbox.errors import ApiError, Json, docs_url, missing_object, missing_param
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.objects.addresses import billing_details
from plugins.stripe.sandbox.objects.new_methods import card_of, method_for, method_from_data


def attach(call: Call, method_id: str, customer: Json) -> Json:
    """Save a method to a customer.

    Raises:
        ApiError: 402 when the card is refused; 400 when it belongs to another customer.
    """
    method = method_for(call, method_id, status=404)
    if method["customer"] == customer["id"]:
        return method
    if method["customer"] is not None:
        raise ApiError(400, "The payment method you provided has already been attached to a customer.")
    if call.world.note(method["id"]).get("spent"):
        raise used_up()
    if method["type"] == "card":
        card = card_of(call.world, method)
        if card.decline is not None and not card.attaches:
            raise _refused_on_attach(card.decline)
        method["card"]["checks"]["cvc_check"] = "pass"
    with call.changing(method):
        method["customer"] = customer["id"]
    call.emit("payment_method.attached", method)
    return method


def _refused_on_attach(decline: Decline) -> ApiError:
    return ApiError(
        402,
        decline.message,
        code=decline.code,
        param=decline.param or "",
        kind="card_error",
        **decline_codes(decline),
    )


def decline_codes(decline: Decline) -> Json:
    """The codes of a refusal as error envelopes carry them; absent ones are left out."""
    codes = {
        "advice_code": decline.advice_code,
        "decline_code": decline.decline_code,
        "network_decline_code": decline.network_decline_code,
    }
    return {k: v for k, v in codes.items() if v is not None}


def used_up() -> ApiError:
    """A method that was never attached can be used only once."""
    return ApiError(
        400,
        "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, "
        "shared with "
        "a connected account without Customer attachment, or was detached from a Customer. It may not be "
        "used again. "
        "To use a PaymentMethod multiple times, you must attach it to a Customer first.",
    )


def detach(call: Call, method: Json) -> None:
    """Take a method off its customer; it cannot be used again."""
    customer = call.world.find("customer", method["customer"])
    if customer and customer["invoice_settings"]["default_payment_method"] == method["id"]:
        with call.changing(customer, "customer.updated"):
            customer["invoice_settings"] = customer["invoice_settings"] | {"default_payment_method": None}
    previous = {"customer": method["customer"]}
    with call.changing(method):
        method["customer"] = None
    call.world.note(method["id"])["spent"] = True
    call.emit("payment_method.detached", method, previous)


def detach_all(call: Call, customer: Json) -> None:
    """Take every method off a customer that is being deleted."""
    for method in call.world.table("payment_method").where("customer", customer["id"]):
        with call.changing(method):
            method["customer"] = None
        call.world.note(method["id"])["spent"] = True


# ---- calls


@handles("POST /v1/payment_methods")
def create(call: Call) -> Json:
    """Make a method from its data."""
    return method_from_data(call, call.params)


@handles("GET /v1/payment_methods/{payment_method}")
def retrieve(call: Call) -> Json:
    """Read a method."""
    return method_for(call, call.ids[0], status=404)


@handles("POST /v1/payment_methods/{payment_method}")
def update(call: Call) -> Json:
    """Change billing details, expiry or metadata of a method."""
    method = method_for(call, call.ids[0], status=404)
    if method["customer"] is None:
        raise ApiError(400, "You must save this PaymentMethod to a customer before you can update it.")
    with call.changing(method, "payment_method.updated"):
        assign(method, call.params, ("allow_redisplay",))
        if "billing_details" in call.params:
            method["billing_details"] = billing_details(
                call.params["billing_details"], method["billing_details"]
            )
        kind = method["type"]
        if isinstance(call.params.get(kind), dict):
            known = {k: v for k, v in call.params[kind].items() if k in method[kind]}
            method[kind] = method[kind] | known
    return method


@handles("POST /v1/payment_methods/{payment_method}/attach")
def attach_call(call: Call) -> Json:
    """Save a method to a customer."""
    customer_id = call.params.get("customer")
    if not customer_id:
        raise missing_param("customer")
    customer = call.world.get("customer", customer_id, param="customer", status=400)
    return attach(call, call.ids[0], customer)


@handles("POST /v1/payment_methods/{payment_method}/detach")
def detach_call(call: Call) -> Json:
    """Take a method off its customer."""
    method = method_for(call, call.ids[0], status=404)
    if method["customer"] is None:
        raise ApiError(
            400, "The payment method you provided is not attached to a customer so detachment is impossible."
        )
    detach(call, method)
    return method


@handles("GET /v1/payment_methods")
def list_(call: Call) -> Json:
    """List a customer's methods; without a customer there is nothing to list."""
    customer_id = call.params.get("customer")
    if customer_id:
        call.world.get("customer", customer_id, param="customer", status=400)
    return _of_customer(call, customer_id)


@handles("GET /v1/customers/{customer}/payment_methods")
def list_of_customer(call: Call) -> Json:
    """List the methods of one customer."""
    call.world.get("customer", call.ids[0])
    return _of_customer(call, call.ids[0])


@handles("GET /v1/customers/{customer}/payment_methods/{payment_method}")
def retrieve_of_customer(call: Call) -> Json:
    """Read a method of one customer."""
    customer = call.world.get("customer", call.ids[0])
    method = call.world.find("payment_method", call.ids[1])
    if method is None:
        raise missing_object("PaymentMethod", call.ids[1], param="payment_method")
    if method["customer"] != customer["id"]:
        raise ApiError(404, "Invalid request", param="customer")
    return method


def _of_customer(call: Call, customer_id: str | None) -> Json:
    filters = {
        "customer": customer_id or "",
        "type": call.params.get("type"),
        "allow_redisplay": call.params.get("allow_redisplay"),
    }
    return listed(call, "payment_method", filters)


def decline_error(decline: Decline) -> Json:
    """A refusal as `last_payment_error` and `last_setup_error` hold it."""
    error: Json = {
        **decline_codes(decline),
        "code": decline.code,
        "doc_url": docs_url(decline.code),
        "message": decline.message,
        "type": "card_error",
    }
    if decline.param is not None:
        error["param"] = decline.param
    return error
