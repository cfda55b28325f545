"""What the lines of an invoice add up to, taxes included."""

from __future__ import annotations

from typing import Any

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.listing import embedded
from plugins.stripe.sandbox.objects.invoice_taxes import taxes_of
from plugins.stripe.sandbox.store.tables import Table


def item_of(call: Call, line: Json) -> Json:
    """The invoice item behind a line; behind that of a whole period stands none, which has no taxes."""
    parent = line["parent"]
    details = parent["invoice_item_details"] or parent["subscription_item_details"]
    if details["invoice_item"] is None:
        return {"id": line["id"], "tax_rates": []}
    return call.world.get("invoiceitem", details["invoice_item"])


def lines_of(table: Table, invoice_id: str) -> list[Json]:
    """Every line of an invoice, newest first."""
    return table.where("invoice", invoice_id)[::-1]


def refresh_totals(call: Call, invoice: Json) -> None:
    """Add the lines up again. Only drafts change."""
    lines = lines_of(call.world.table("line_item"), invoice["id"])
    for line in lines:
        line["taxes"] = taxes_of(call, invoice, line, item_of(call, line))
    subtotal = sum(line["amount"] for line in lines)
    taxes = _total_taxes(lines)
    exclusive = sum(t["amount"] for t in taxes if t["tax_behavior"] == "exclusive")
    inclusive = sum(t["amount"] for t in taxes if t["tax_behavior"] == "inclusive")
    total = subtotal + exclusive
    due = amount_due(call, invoice, total)
    invoice |= {
        "amount_due": due,
        "amount_remaining": due,
        "lines": embedded(lines, f"/v1/invoices/{invoice['id']}/lines"),
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - inclusive,
        "total": total,
        "total_excluding_tax": subtotal - inclusive,
        "total_taxes": taxes,
    }


def amount_due(call: Call, invoice: Json, total: int) -> int:
    """What is to be paid: the total with the customer's balance, never below zero."""
    customer = call.world.find("customer", invoice["customer"])
    balance = customer["balance"] if customer and customer["currency"] in (None, invoice["currency"]) else 0
    return max(total + (balance if total > 0 else 0), 0)


def _total_taxes(lines: list[Json]) -> list[Json]:
    sums: dict[tuple[Any, ...], Json] = {}
    for tax in (t for line in lines for t in line["taxes"]):
        rate = tax["tax_rate_details"]["tax_rate"] if tax["tax_rate_details"] else None
        key = (rate, tax["tax_behavior"], tax["taxability_reason"])
        if key in sums:
            sums[key]["amount"] += tax["amount"]
            sums[key]["taxable_amount"] += tax["taxable_amount"]
        else:
            sums[key] = dict(tax)
    return list(sums.values())
