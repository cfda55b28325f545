"""Many objects at once, as if they had been there for long: copies of an invoice with all that is its own."""

from __future__ import annotations

import json
from collections.abc import Iterator

from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.store.ids import new_id
from plugins.stripe.sandbox.store.worlds import World

MOST_AT_ONCE = 5_000
COPIED = ("customer", "line_item", "payment_intent", "invoice_payment", "invoice")
"""In this order, so that what is referred to is there first."""


def copy_invoice(world: World, invoice: Json, count: int, *, apart: int = 0, first: int = 0) -> int:
    """Copy an invoice with its customer, lines and payments, without events; returns how many objects.

    Each copy is `apart` seconds newer than the one before, so that lists stay in order: `first` is how many
    copies of it there are already.

    Raises:
        ApiError: the count cannot be.
    """
    if not 1 <= count <= MOST_AT_ONCE:
        raise ApiError(400, f"Copy an invoice 1 to {MOST_AT_ONCE} times at once.")
    rows = list(_belonging(world, invoice))
    for number in range(first + 1, first + count + 1):
        _copy(world, rows, apart * number)
    world.on_change()
    return count * len(rows)


def _belonging(world: World, invoice: Json) -> Iterator[tuple[str, str]]:
    """Kind and text of each row."""
    payments = world.table("invoice_payment").where("invoice", invoice["id"])
    intents = {payment["payment"].get("payment_intent") for payment in payments}
    found = {
        "customer": [world.table("customer").rows[invoice["customer"]]],
        "line_item": world.table("line_item").where("invoice", invoice["id"]),
        "payment_intent": [
            row for row in world.table("payment_intent").rows.values() if row["id"] in intents
        ],
        "invoice_payment": payments,
        "invoice": [invoice],
    }
    for kind in COPIED:
        yield from ((kind, json.dumps(row)) for row in found[kind])


def _copy(world: World, rows: list[tuple[str, str]], later: int) -> None:
    renamed = {json.loads(text)["id"]: new_id(kind) for kind, text in rows}
    for kind, text in rows:
        for old, new in renamed.items():
            text = text.replace(f'"{old}"', f'"{new}"')  # noqa: PLW2901 - one after the other
        row = json.loads(text)
        if "created" in row:
            row["created"] += later
        world.table(kind).insert(row)
