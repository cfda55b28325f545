"""The parts of an invoice that somebody drew up in Stripe: lines that add up to its total. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from portal.money import Money

Raw = dict[str, Any]
UNNAMED = "Without a description"


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line as the portal keeps it: `amount` is `quantity` times something whole, tax apart."""

    description: str
    quantity: int
    amount: Money


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the customer owes for what: the lines and the tax make the total."""

    lines: tuple[DrawnLine, ...]
    tax: Money
    total: Money


def read_lines(raw: Raw) -> Drawn:
    """Read the lines of an invoice that has all of them on board.

    Discounts, shipping, credits and rounding stand elsewhere in it: they become lines, too.
    """
    currency = str(raw["currency"])
    total = int(raw["total"])
    tax = sum(int(entry["amount"]) for entry in raw.get("total_taxes") or ())
    lines = [_line(line, currency) for line in (raw.get("lines") or {}).get("data") or ()]
    rest = total - tax - sum(line.amount.amount_minor for line in lines)
    return Drawn(
        lines=(*lines, *_rest(raw, rest, currency)),
        tax=Money(tax, currency),
        total=Money(total, currency),
    )


def subscription_of(raw: Raw) -> str | None:
    """The subscription that the invoice bills."""
    found = ((raw.get("parent") or {}).get("subscription_details") or {}).get("subscription")
    if isinstance(found, dict):
        found = found.get("id")
    return found if isinstance(found, str) and found else None


def _line(line: Raw, currency: str) -> DrawnLine:
    inside = sum(
        int(tax["amount"]) for tax in line.get("taxes") or () if tax.get("tax_behavior") == "inclusive"
    )
    amount = int(line["amount"]) - inside
    quantity = int(line.get("quantity") or 1)
    words = str(line.get("description") or UNNAMED)
    if quantity < 1 or amount % quantity:
        words, quantity = (f"{quantity} × {words}" if quantity > 1 else words), 1
    return DrawnLine(words, quantity, Money(amount, currency))


def _rest(raw: Raw, rest: int, currency: str) -> Iterator[DrawnLine]:
    shipping = int(raw.get("amount_shipping") or 0)
    if shipping:
        yield DrawnLine("Shipping", 1, Money(shipping, currency))
    if rest - shipping:
        discounted = rest < shipping and bool(raw.get("total_discount_amounts"))
        words = "Discount" if discounted else "Adjustment"
        yield DrawnLine(words, 1, Money(rest - shipping, currency))
