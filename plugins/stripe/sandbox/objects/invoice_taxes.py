"""Taxes on invoice lines: tax rates of the line or the invoice, or amounts given outright."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json


def taxes_of(call: Call, invoice: Json, line: Json, item: Json) -> list[Json]:
    """The taxes of one line."""
    given = call.world.notes.get(item["id"], {}).get("tax_amounts")
    if given:
        return [_given(g) for g in given]
    rates = item["tax_rates"] or invoice["default_tax_rates"]
    return [_from_rate(line["amount"], rate) for rate in rates]


def _from_rate(amount: int, rate: Json) -> Json:
    share = Decimal(str(rate["percentage"])) / 100
    tax = _rounded(amount * share)
    if rate["inclusive"]:
        tax = amount - _rounded(Decimal(amount) / (1 + share))
    return {
        "amount": tax,
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "not_available",
        "taxable_amount": amount - tax if rate["inclusive"] else amount,
        "type": "tax_rate_details",
    }


def _given(given: Json) -> Json:
    inclusive = (given.get("tax_rate_data") or {}).get("inclusive", False)
    return {
        "amount": given["amount"],
        "tax_behavior": "inclusive" if inclusive else "exclusive",
        "tax_rate_details": None,
        "taxability_reason": given.get("taxability_reason") or "not_available",
        "taxable_amount": given["taxable_amount"],
        "type": "tax_rate_details",
    }


def _rounded(number: Decimal) -> int:
    return int(number.quantize(Decimal(1), rounding=ROUND_HALF_UP))
