"""Customers."""

from __future__ import annotations

import re
import secrets
import string

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json, missing_object
from plugins.stripe.sandbox.expansion import deleted
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.objects.addresses import address, shipping
from plugins.stripe.sandbox.objects.payment_methods import attach, detach_all

_PLAIN = (
    "balance",
    "business_name",
    "description",
    "email",
    "individual_name",
    "name",
    "phone",
    "tax_exempt",
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def require_customer(call: Call, customer_id: str, *, status: int = 400, param: str = "customer") -> Json:
    """The customer that a parameter names."""
    return call.world.get("customer", customer_id, param=param, status=status)


def _new_prefix() -> str:
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(8))


def fresh_fields() -> Json:
    """The fields of a customer of whom nothing is known."""
    return {
        "address": None,
        "balance": 0,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": _new_prefix(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


@handles("POST /v1/customers")
def create(call: Call) -> Json:
    """Make a customer."""
    fields = fresh_fields()
    _check(call)
    clock = None
    if clock_id := call.params.get("test_clock"):
        clock = call.world.get("test_helpers.test_clock", clock_id, param="test_clock", status=400)
        fields["test_clock"] = clock["id"]
    _fill(call, fields)
    row = call.world.add("customer", fields, created=clock["frozen_time"] if clock else None)
    if method := call.params.get("payment_method"):
        attach(call, method, row)
    call.emit("customer.created", row)
    return row


@handles("GET /v1/customers/{customer}")
def retrieve(call: Call) -> Json:
    """Read a customer, or what is left of a deleted one."""
    if call.ids[0] in call.world.table("customer").deleted:
        return deleted("customer", call.ids[0])
    return call.world.get("customer", call.ids[0])


@handles("POST /v1/customers/{customer}")
def update(call: Call) -> Json:
    """Change a customer."""
    row = call.world.get("customer", call.ids[0])
    _check(call)
    _check_default_method(call, row)
    with call.changing(row, "customer.updated"):
        _fill(call, row)
    if "balance" in call.params:
        _tell_drafts(call, row)
    return row


def _tell_drafts(call: Call, customer: Json) -> None:
    """A draft says what its customer's balance is now."""
    for invoice in call.world.table("invoice").where("customer", customer["id"]):
        if invoice["status"] == "draft":
            with call.changing(invoice):
                invoice["starting_balance"] = customer["balance"]


@handles("DELETE /v1/customers/{customer}")
def delete(call: Call) -> Json:
    """Delete a customer for good."""
    from plugins.stripe.sandbox.objects.subscription_ends import end_all  # noqa: PLC0415 - they need customers

    row = call.world.get("customer", call.ids[0])
    end_all(call, row)
    detach_all(call, row)
    call.world.table("customer").remove(row["id"])
    call.emit("customer.deleted", row)
    return deleted("customer", row["id"])


@handles("GET /v1/customers")
def list_(call: Call) -> Json:
    """List customers, by email if asked."""
    return listed(
        call, "customer", {"email": call.params.get("email"), "test_clock": call.params.get("test_clock")}
    )


def _check(call: Call) -> None:
    email = call.params.get("email")
    if email and not _EMAIL.fullmatch(email):
        raise ApiError(400, f"Invalid email address: {email}", code="email_invalid", param="email")


def _check_default_method(call: Call, row: Json) -> None:
    method_id = (call.params.get("invoice_settings") or {}).get("default_payment_method")
    if not method_id:
        return
    param = "invoice_settings[default_payment_method]"
    method = call.world.find("payment_method", method_id)
    if method is None:
        raise missing_object("PaymentMethod", method_id, param=param, status=400)
    if method["customer"] != row["id"]:
        raise ApiError(
            400,
            f"The customer does not have a payment method with the ID {method_id}. The payment method must "
            "be "
            "attached to the customer.",
            code="resource_missing",
            param=param,
        )


def _fill(call: Call, row: Json) -> None:
    params = call.params
    assign(row, params, _PLAIN)
    row["tax_exempt"] = row["tax_exempt"] or "none"
    if "address" in params:
        row["address"] = address(params["address"]) if params["address"] else None
    if "shipping" in params:
        row["shipping"] = shipping(params["shipping"])
    if "preferred_locales" in params:
        row["preferred_locales"] = params["preferred_locales"] or []
    if "next_invoice_sequence" in params:
        row["next_invoice_sequence"] = params["next_invoice_sequence"]
    if "invoice_prefix" in params:
        row["invoice_prefix"] = params["invoice_prefix"]
    if settings := params.get("invoice_settings"):
        known = {k: v for k, v in settings.items() if k in row["invoice_settings"]}
        row["invoice_settings"] = row["invoice_settings"] | known
