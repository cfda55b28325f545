"""Prices. A price's amount never changes; a new price is made instead."""

from __future__ import annotations

from decimal import Decimal

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json, missing_param
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.objects.products import add_product

_CREATION = frozenset(
    {
        "active",
        "billing_scheme",
        "currency",
        "custom_unit_amount",
        "metadata",
        "nickname",
        "recurring",
        "tax_behavior",
        "tiers",
        "tiers_mode",
        "transform_quantity",
        "unit_amount",
        "unit_amount_decimal",
    }
)
_OTHER_AMOUNTS = ("custom_unit_amount", "tiers")


def add_price(call: Call, given: Json, *, hidden: bool = False) -> Json:
    """Store a price of an existing product. Hidden ones back single amounts and show in no list."""
    amount, decimal = amounts_of(given)
    recurring = given.get("recurring")
    price = call.world.add(
        "price",
        {
            "active": given.get("active", not hidden),
            "billing_scheme": given.get("billing_scheme") or "per_unit",
            "currency": given["currency"].lower(),
            "custom_unit_amount": _custom(given.get("custom_unit_amount")),
            "lookup_key": None,
            "metadata": {k: v for k, v in (given.get("metadata") or {}).items() if v != ""},
            "nickname": given.get("nickname"),
            "product": given["product"],
            "recurring": _recurring(recurring) if recurring else None,
            "tax_behavior": given.get("tax_behavior") or "unspecified",
            "tiers_mode": given.get("tiers_mode"),
            "transform_quantity": given.get("transform_quantity"),
            "type": "recurring" if recurring else "one_time",
            "unit_amount": amount,
            "unit_amount_decimal": decimal,
        },
        created=call.now(),
    )
    if hidden:
        call.world.note(price["id"])["hidden"] = True
    return price


def amounts_of(given: Json) -> tuple[int | None, str | None]:
    """The whole and the exact unit amount; the whole one is None when the exact one has fractions."""
    if given.get("unit_amount") is not None:
        return given["unit_amount"], str(given["unit_amount"])
    exact = given.get("unit_amount_decimal")
    if exact is None:
        return None, None
    number = Decimal(exact)
    return (int(number) if number == number.to_integral_value() else None), exact


def _recurring(given: Json) -> Json:
    return {
        "interval": given["interval"],
        "interval_count": given.get("interval_count", 1),
        "meter": given.get("meter"),
        "trial_period_days": given.get("trial_period_days"),
        "usage_type": given.get("usage_type") or "licensed",
    }


def _custom(given: Json | None) -> Json | None:
    if not given or not given.get("enabled"):
        return None
    return {"maximum": given.get("maximum"), "minimum": given.get("minimum"), "preset": given.get("preset")}


@handles("POST /v1/prices")
def create(call: Call) -> Json:
    """Make a price, and its product if asked."""
    given = {name: call.params[name] for name in call.params if name in _CREATION}
    given["product"] = _product_for(call)
    if not any(given.get(n) is not None for n in ("unit_amount", "unit_amount_decimal", *_OTHER_AMOUNTS)):
        raise missing_param("unit_amount")
    if (given.get("unit_amount") or 0) < 0:
        raise ApiError(
            400, "Invalid non-negative integer", code="parameter_invalid_integer", param="unit_amount"
        )
    _check_tiers(given)
    price = add_price(call, given)
    if given.get("tiers"):
        call.world.note(price["id"])["tiers"] = [_tier(each) for each in given["tiers"]]
    call.emit("price.created", price)
    _take_lookup_key(call, price)
    return price


def _check_tiers(given: Json) -> None:
    if bool(given.get("tiers")) != (given.get("billing_scheme") == "tiered"):
        raise missing_param("billing_scheme" if given.get("tiers") else "tiers")
    if given.get("tiers") and not given.get("tiers_mode"):
        raise missing_param("tiers_mode")


def _tier(given: Json) -> Json:
    """A step as it is shown: without an end in the last one, with each amount exact and whole."""
    up_to = given.get("up_to")
    tier: Json = {"up_to": None if up_to == "inf" else int(up_to or 0)}
    for name in ("flat_amount", "unit_amount"):
        given_decimal = given.get(f"{name}_decimal")
        whole, exact = amounts_of({"unit_amount": given.get(name), "unit_amount_decimal": given_decimal})
        tier |= {name: whole, f"{name}_decimal": exact}
    return tier


def _product_for(call: Call) -> str:
    if product_id := call.params.get("product"):
        return str(call.world.get("product", product_id, param="product", status=400)["id"])
    data = call.params.get("product_data")
    if not data:
        raise ApiError(
            400,
            "You must specify either `product` or `product_data` when creating a price.",
            code="parameter_missing",
            param="product",
        )
    product = add_product(call, data)
    call.emit("product.created", product)
    return str(product["id"])


def _take_lookup_key(call: Call, price: Json) -> None:
    key = call.params.get("lookup_key")
    if "lookup_key" not in call.params:
        return
    holders = [
        p for p in call.world.table("price").where("lookup_key", key) if key and p["id"] != price["id"]
    ]
    if holders and not call.params.get("transfer_lookup_key"):
        raise ApiError(
            400,
            f"A price (`{holders[0]['id']}`) already uses that lookup key.",
            code="resource_already_exists",
            param="lookup_key",
        )
    for holder in holders:
        with call.changing(holder, "price.updated"):
            holder["lookup_key"] = None
    with call.changing(price):
        price["lookup_key"] = key


@handles("GET /v1/prices/{price}")
def retrieve(call: Call) -> Json:
    """Read a price."""
    return call.world.get("price", call.ids[0], param="price")


@handles("POST /v1/prices/{price}")
def update(call: Call) -> Json:
    """Change what may change: active, nickname, metadata, lookup key, tax behaviour."""
    price = call.world.get("price", call.ids[0], param="price")
    with call.changing(price, "price.updated"):
        assign(price, call.params, ("active", "nickname", "tax_behavior"))
        _take_lookup_key(call, price)
    return price


@handles("GET /v1/prices")
def list_(call: Call) -> Json:
    """List prices."""
    keys = call.params.get("lookup_keys")
    interval = (call.params.get("recurring") or {}).get("interval")
    notes = call.world.notes

    def keep(row: Json) -> bool:
        if notes.get(row["id"], {}).get("hidden") or (keys and row["lookup_key"] not in keys):
            return False
        return not interval or bool(row["recurring"] and row["recurring"]["interval"] == interval)

    filters = {name: call.params.get(name) for name in ("active", "currency", "product", "type")}
    return listed(call, "price", filters, keep=keep)
