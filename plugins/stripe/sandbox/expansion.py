"""`expand[]`: ids replaced by objects, and the fields that come only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.listing import embedded
from plugins.stripe.sandbox.spec.shapes import expandable_fields
from plugins.stripe.sandbox.store.ids import PREFIXES
from plugins.stripe.sandbox.store.worlds import World

MAX_DEPTH = 4

_KINDS = {prefix: kind for kind, prefix in PREFIXES.items() if prefix} | {"py": "charge", "pyr": "refund"}

_ONE_OF = frozenset({"charge", "payment_intent", "payment_record"})
"""What a payment of an invoice is made of: one of these; the others are absent and expand to nothing."""

Includable = Callable[[World, Json], Any]


def _payments(world: World, invoice: Json) -> Json:
    rows = world.table("invoice_payment").where("invoice", invoice["id"])
    return {"object": "list", "data": rows[::-1], "has_more": False, "url": "/v1/invoice_payments"}


def _confirmation_secret(world: World, invoice: Json) -> Json | None:
    """Only while there is something to pay."""
    intent = world.find("payment_intent", world.note(invoice["id"]).get("payment_intent"))
    if (
        intent is None
        or invoice["status"] not in ("open", "uncollectible")
        or invoice["amount_remaining"] <= 0
    ):
        return None
    return {"type": "payment_intent", "client_secret": intent["client_secret"]}


def _refunds(world: World, charge: Json) -> Json:
    rows = world.table("refund").where("charge", charge["id"])
    return embedded(rows[::-1], f"/v1/charges/{charge['id']}/refunds")


def _subscriptions(world: World, customer: Json) -> Json:
    rows = world.table("subscription").where("customer", customer["id"])
    kept = [row for row in reversed(rows) if row["status"] != "canceled"]
    return embedded(kept, f"/v1/customers/{customer['id']}/subscriptions")


def _empty_list(name: str) -> Includable:
    return lambda _world, row: embedded([], f"/v1/customers/{row['id']}/{name}")


def _tiers(world: World, price: Json) -> list[Json] | None:
    """Only of a price that has steps."""
    return world.note(price["id"]).get("tiers")


INCLUDABLE: dict[tuple[str, str], Includable] = {
    ("charge", "refunds"): _refunds,
    ("customer", "cash_balance"): lambda _world, _row: None,
    ("customer", "sources"): _empty_list("sources"),
    ("customer", "subscriptions"): _subscriptions,
    ("customer", "tax_ids"): _empty_list("tax_ids"),
    ("invoice", "confirmation_secret"): _confirmation_secret,
    ("invoice", "payments"): _payments,
    ("price", "currency_options"): lambda _world, _row: None,
    ("price", "tiers"): _tiers,
}
"""Fields that are absent unless expanded, by kind and name."""


def expanded(world: World, body: Json, paths: list[str]) -> Json:
    """The answer with these paths expanded. What is stored stays as it is: changed parts are copied.

    Raises:
        ApiError: a path is too deep, or names nothing that can be expanded.
    """
    for path in paths:
        parts = path.split(".")
        if len(parts) > MAX_DEPTH:
            raise ApiError(
                400, f"You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}"
            )
        body = _expand(world, body, parts, path)
    return body


def _expand(world: World, node: Json, parts: list[str], path: str) -> Json:
    key, rest = parts[0], parts[1:]
    node = dict(node)
    if key == "data" and node.get("object") == "list":
        if rest:
            node["data"] = [_expand(world, row, rest, path) for row in node["data"]]
        return node
    if node.get("type") in _ONE_OF and key in _ONE_OF and key not in node:
        return node
    value = _value(world, node, key, path)
    if rest and isinstance(value, dict):
        value = _expand(world, value, rest, path)
    elif rest and isinstance(value, list):
        value = [_expand(world, v, rest, path) if isinstance(v, dict) else v for v in value]
    node[key] = value
    return node


def _value(world: World, node: Json, key: str, path: str) -> Any:
    include = INCLUDABLE.get((node.get("object", ""), key))
    if include is not None and not isinstance(node.get(key), dict):
        return include(world, node)
    if key not in node:
        if node.get("deleted") is True:
            return None
        raise _not_expandable(node, path)
    value = node[key]
    if isinstance(value, str):
        expandable = expandable_fields(node.get("object", ""))
        found = lookup(world, value) if expandable is None or key in expandable else None
        if found is None:
            raise _not_expandable(node, path)
        return found
    return value


def lookup(world: World, object_id: str) -> Json | None:
    """The object of an id of any kind; deleted ones as Stripe shows them."""
    kind = _KINDS.get(object_id.rsplit("_", 1)[0])
    if kind is None:
        return None
    table = world.table(kind)
    if object_id in table.deleted:
        return deleted(kind, object_id)
    return table.rows.get(object_id)


def deleted(kind: str, object_id: str) -> Json:
    """What is left of a deleted object."""
    return {"id": object_id, "object": kind, "deleted": True}


def _not_expandable(node: Json, path: str) -> ApiError:
    hint = (
        f" You may want to try expanding 'data.{path}' instead."
        if node.get("object") == "list" and not path.startswith("data.")
        else ""
    )
    return ApiError(400, f"This property cannot be expanded ({path}).{hint}", param="expand")
