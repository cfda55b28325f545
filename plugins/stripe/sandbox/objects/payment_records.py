"""Payment records: what was paid outside Stripe, as somebody reported it."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles, merged_metadata
from plugins.stripe.sandbox.errors import ApiError, Json, not_built
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.objects.customers import require_customer
from plugins.stripe.sandbox.store.ids import new_id, random_text

_NOTHING_YET = ("authorized", "canceled", "failed", "guaranteed", "refunded")


@handles("POST /v1/payment_records/report_payment")
def report_payment(call: Call) -> Json:
    """Keep a payment that came another way. Money counts once it is reported as guaranteed."""
    params = call.params
    wanted = params["amount_requested"]
    if wanted["value"] <= 0:
        raise ApiError(400, "Invalid positive integer", param="amount_requested[value]")
    for name in ("canceled", "failed", "shipping_details"):
        if params.get(name):
            raise not_built(f"`{name}` on payment records")
    outcome = params.get("outcome")
    if outcome not in (None, "guaranteed"):
        raise not_built(f"payment records that are {outcome}")
    if (outcome is None) is not (params.get("guaranteed") is None):
        raise ApiError(400, "`guaranteed` and `outcome=guaranteed` go together.", param="guaranteed")
    if params["initiated_at"] > call.now():
        raise ApiError(400, "A payment cannot begin in the future.", param="initiated_at")
    return call.world.add("payment_record", _fields(call, outcome), created=call.now())


def _fields(call: Call, outcome: str | None) -> Json:
    params = call.params
    asked = {"currency": params["amount_requested"]["currency"].lower()}
    amount = asked | {"value": params["amount_requested"]["value"]}
    sums = {f"amount_{name}": asked | {"value": 0} for name in _NOTHING_YET}
    if outcome == "guaranteed":
        sums["amount_guaranteed"] = dict(amount)
    return {
        **sums,
        "id": new_id("payment_record"),
        "amount": dict(amount),
        "amount_requested": dict(amount),
        "application": None,
        "customer_details": _customer(call),
        "customer_presence": params.get("customer_presence"),
        "description": params.get("description"),
        "latest_payment_attempt_record": f"par_1{random_text(23)}",
        "metadata": merged_metadata({}, params.get("metadata")),
        "payment_method_details": _method(params["payment_method_details"]),
        "processor_details": _processor(params.get("processor_details")),
        "reported_by": "self",
        "shipping_details": None,
    }


def _customer(call: Call) -> Json | None:
    given = call.params.get("customer_details")
    if given is None:
        return None
    if given.get("customer"):
        require_customer(call, given["customer"])
    return {name: given.get(name) for name in ("customer", "email", "name", "phone")}


def _method(given: Json) -> Json:
    custom = given.get("custom") or {}
    if not custom.get("display_name") and not custom.get("type"):
        raise ApiError(
            400,
            "A custom payment method needs a `display_name` or a `type`.",
            param="payment_method_details[custom]",
        )
    shown = {"display_name": custom.get("display_name") or "Custom", "type": custom.get("type")}
    return {"billing_details": None, "custom": shown, "payment_method": None, "type": "custom"}


def _processor(given: Json | None) -> Json:
    reference = ((given or {}).get("custom") or {}).get("payment_reference")
    return {"custom": {"payment_reference": reference} if reference else None, "type": "custom"}


@handles("GET /v1/payment_records/{id}")
def retrieve(call: Call) -> Json:
    """Read a payment record."""
    return call.world.get("payment_record", call.ids[0])


@handles("GET /v1/payment_records")
def list_(call: Call) -> Json:
    """List payment records by when they were reported."""
    after, before = call.params.get("created_after"), call.params.get("created_before")
    return listed(
        call,
        "payment_record",
        keep=lambda row: (
            (after is None or row["created"] > after) and (before is None or row["created"] < before)
        ),
    )


@handles("POST /v1/payment_records/{id}/report_payment_attempt_canceled")
def cancel(call: Call) -> Json:
    """Only records that are under way can be canceled, and the sandbox keeps none."""
    call.world.get("payment_record", call.ids[0])
    raise not_built("payment records that are under way")
