"""Tax rates and coupons."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.expansion import deleted
from plugins.stripe.sandbox.listing import listed

_RATE = ("active", "country", "description", "display_name", "jurisdiction", "state", "tax_type")


@handles("POST /v1/tax_rates")
def create(call: Call) -> Json:
    """Make a tax rate."""
    empty = "country description flat_amount jurisdiction jurisdiction_level state tax_type"
    rate = call.world.add(
        "tax_rate",
        dict.fromkeys(empty.split())
        | {
            "active": True,
            "effective_percentage": None,
            "inclusive": call.params["inclusive"],
            "metadata": {},
            "percentage": call.params["percentage"],
            "rate_type": "percentage",
        },
        created=call.now(),
    )
    assign(rate, call.params, _RATE)
    call.emit("tax_rate.created", rate)
    return rate


@handles("GET /v1/tax_rates/{tax_rate}")
def retrieve(call: Call) -> Json:
    """Read a tax rate."""
    return call.world.get("tax_rate", call.ids[0], param="tax_rate")


@handles("POST /v1/tax_rates/{tax_rate}")
def update(call: Call) -> Json:
    """Change everything but the percentage."""
    rate = call.world.get("tax_rate", call.ids[0], param="tax_rate")
    with call.changing(rate, "tax_rate.updated"):
        assign(rate, call.params, _RATE)
    return rate


@handles("GET /v1/tax_rates")
def list_(call: Call) -> Json:
    """List tax rates."""
    filters = {"active": call.params.get("active"), "inclusive": call.params.get("inclusive")}
    return listed(call, "tax_rate", filters)


@handles("POST /v1/coupons")
def create_coupon(call: Call) -> Json:
    """Make a coupon."""
    params = call.params
    if params.get("percent_off") is None and params.get("amount_off") is None:
        raise ApiError(400, "Must provide percent_off or amount_off.", code="parameter_missing")
    if params.get("amount_off") is not None and not params.get("currency"):
        raise ApiError(400, "You must pass currency when passing amount_off", param="currency")
    if params.get("duration") == "repeating" and not params.get("duration_in_months"):
        raise ApiError(
            400,
            "You must pass duration_in_months when passing duration=repeating",
            param="duration_in_months",
        )
    if (coupon_id := params.get("id")) and call.world.find("coupon", coupon_id):
        raise ApiError(400, "Coupon already exists.", code="resource_already_exists", param="id")
    names = "amount_off currency duration_in_months max_redemptions name percent_off redeem_by"
    fields: Json = {name: params.get(name) for name in names.split()}
    fields |= {
        "duration": params.get("duration") or "once",
        "metadata": {},
        "times_redeemed": 0,
        "valid": True,
    }
    if coupon_id:
        fields["id"] = coupon_id
    coupon = call.world.add("coupon", fields, created=call.now())
    assign(coupon, params, ())
    call.emit("coupon.created", coupon)
    return coupon


@handles("GET /v1/coupons/{coupon}")
def retrieve_coupon(call: Call) -> Json:
    """Read a coupon."""
    return call.world.get("coupon", call.ids[0], param="coupon")


@handles("POST /v1/coupons/{coupon}")
def update_coupon(call: Call) -> Json:
    """Change name and metadata."""
    coupon = call.world.get("coupon", call.ids[0], param="coupon")
    with call.changing(coupon, "coupon.updated"):
        assign(coupon, call.params, ("name",))
    return coupon


@handles("DELETE /v1/coupons/{coupon}")
def delete_coupon(call: Call) -> Json:
    """Delete a coupon."""
    coupon = call.world.get("coupon", call.ids[0], param="coupon")
    coupon["valid"] = False
    call.world.table("coupon").remove(coupon["id"])
    call.emit("coupon.deleted", coupon)
    return deleted("coupon", coupon["id"])


@handles("GET /v1/coupons")
def list_coupons(call: Call) -> Json:
    """List coupons."""
    return listed(call, "coupon")
