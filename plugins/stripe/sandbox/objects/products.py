"""Products."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.expansion import deleted
from plugins.stripe.sandbox.listing import listed

_PLAIN = (
    "active",
    "default_price",
    "description",
    "images",
    "marketing_features",
    "name",
    "package_dimensions",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "unit_label",
    "url",
)


def add_product(call: Call, given: Json, *, hidden: bool = False) -> Json:
    """Store a product. Hidden ones back single amounts and show in no list."""
    now = call.now()
    fields: Json = {
        "active": not hidden,
        "attributes": [],
        "default_price": None,
        "description": None,
        "images": [],
        "marketing_features": [],
        "metadata": {},
        "name": None,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "tax_details": None,
        "type": given.get("type") or "service",
        "unit_label": None,
        "updated": now,
        "url": None,
    }
    if given.get("id"):
        fields["id"] = given["id"]
    product = call.world.add("product", fields, created=now)
    assign(product, given, _PLAIN)
    if hidden:
        call.world.note(product["id"])["hidden"] = True
    return product


@handles("POST /v1/products")
def create(call: Call) -> Json:
    """Make a product, with its default price if asked."""
    from plugins.stripe.sandbox.objects.prices import add_price  # noqa: PLC0415 - prices need products

    if (taken := call.params.get("id")) and call.world.find("product", taken):
        raise ApiError(400, "Product already exists.", code="resource_already_exists", param="id")
    product = add_product(call, call.params)
    price = None
    if data := call.params.get("default_price_data"):
        price = add_price(call, {**data, "product": product["id"]})
        product["default_price"] = price["id"]
    call.emit("product.created", product)
    if price is not None:
        call.emit("price.created", price)
    return product


@handles("GET /v1/products/{id}")
def retrieve(call: Call) -> Json:
    """Read a product."""
    return call.world.get("product", call.ids[0])


@handles("POST /v1/products/{id}")
def update(call: Call) -> Json:
    """Change a product."""
    product = call.world.get("product", call.ids[0])
    if price_id := call.params.get("default_price"):
        call.world.get("price", price_id, param="default_price", status=400)
    with call.changing(product, "product.updated"):
        assign(product, call.params, _PLAIN)
        product["updated"] = call.now()
    return product


@handles("DELETE /v1/products/{id}")
def delete(call: Call) -> Json:
    """Delete a product that has no prices."""
    product = call.world.get("product", call.ids[0])
    if call.world.table("price").where("product", product["id"]):
        raise ApiError(
            400, "This product cannot be deleted because it has one or more user-created prices.", param="id"
        )
    product["active"] = False
    call.world.table("product").remove(product["id"])
    call.emit("product.deleted", product)
    return deleted("product", product["id"])


@handles("GET /v1/products")
def list_(call: Call) -> Json:
    """List products."""
    ids = call.params.get("ids")
    notes = call.world.notes

    def keep(row: Json) -> bool:
        return not notes.get(row["id"], {}).get("hidden") and (not ids or row["id"] in ids)

    filters = {name: call.params.get(name) for name in ("active", "shippable", "url", "type")}
    return listed(call, "product", filters, keep=keep)
