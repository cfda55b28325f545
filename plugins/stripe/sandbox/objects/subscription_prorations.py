"""Prorations: what is credited for unused time and charged for the rest of a period, by the second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.objects.invoice_lines import amount_of, pricing_of


def prorate(call: Call, row: Json, old: Iterable[Json], now: int, *, whole: Sequence[Json] = ()) -> bool:
    """Credit what the items were before, charge what they are from now on; whether that came to anything.

    Both wait for an invoice. Items in `whole` begin a period now, which is billed elsewhere.
    """
    made = False
    before, after = ({item["id"]: item for item in items} for items in (old, row["items"]["data"]))
    for item_id in before | after:
        was, becomes = before.get(item_id), after.get(item_id)
        if was and becomes and _worth(was) == _worth(becomes):
            continue
        if was:
            made |= add_proration(call, row, was, now, credit=True)
        if becomes and becomes not in whole:
            made |= add_proration(call, row, becomes, now)
    return made


def _worth(item: Json) -> tuple[str, int]:
    return item["price"]["id"], item["quantity"]


def add_proration(call: Call, row: Json, item: Json, now: int, *, credit: bool = False) -> bool:
    """Make a pending invoice item for the rest of an item's period; whether that is worth anything."""
    start, end = item["current_period_start"], item["current_period_end"]
    amount = prorated(amount_of(item["price"], item["quantity"]), end - now, end - start)
    if amount:
        fields = _fields(call, row, item, -amount if credit else amount)
        made = call.world.add("invoiceitem", fields | {"date": now, "period": {"start": now, "end": end}})
        del made["created"]
        call.emit("invoiceitem.created", made)
    return bool(amount)


def prorated(amount: int, part: int, whole: int) -> int:
    """The share of an amount, in whole minor units; a half is rounded up."""
    share = Decimal(amount * max(min(part, whole), 0)) / whole
    return int(share.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _fields(call: Call, row: Json, item: Json, amount: int) -> Json:
    details = {"subscription": row["id"], "subscription_item": item["id"]}
    return {
        "amount": amount,
        "currency": row["currency"],
        "customer": row["customer"],
        "customer_account": None,
        "description": _words(call, row, item, credit=amount < 0),
        "discountable": False,
        "discounts": [],
        "frozen_fields": [],
        "invoice": None,
        "invoicing_rules": [],
        "metadata": {},
        "parent": {"subscription_details": details, "type": "subscription_details"},
        "pricing": pricing_of(item["price"]),
        "proration": True,
        "quantity": item["quantity"],
        "quantity_decimal": str(item["quantity"]),
        "tax_rates": [],
        "test_clock": row["test_clock"],
    }


def _words(call: Call, row: Json, item: Json, *, credit: bool) -> str:
    name = call.world.get("product", item["price"]["product"])["name"]
    day = datetime.fromtimestamp(call.now(row["customer"]), UTC)
    counted = f"{item['quantity']} × {name}" if item["quantity"] != 1 else name
    return f"{'Unused' if credit else 'Remaining'} time on {counted} after {day:%d %b %Y}"
