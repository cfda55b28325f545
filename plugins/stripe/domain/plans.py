"""What a price costs and how it is called for people, and what a subscription costs in one period. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from portal.money import Money, decimals

Raw = dict[str, Any]


def fixed_amount(price: Raw) -> Money | None:
    """The amount of one unit when it is always the same and whole; None: it depends on something."""
    amount = price.get("unit_amount")
    if amount is None or price.get("billing_scheme") == "tiered" or price.get("custom_unit_amount"):
        return None
    if (price.get("recurring") or {}).get("usage_type") == "metered" or price.get("transform_quantity"):
        return None
    return Money(int(amount), str(price["currency"]))


def describe_price(price: Raw) -> str:
    """`$20.00 per month`, `$5.00 per 1,000 units, by use, monthly`, `from $5.00 per month, by volume`."""
    return " ".join(part for part in (_cost(price), _period(price)) if part) + _manner(price)


def period_amount(items: Sequence[Raw]) -> Money | None:
    """What all items of a subscription cost together in one period; None where one depends on use."""
    total: Money | None = None
    for item in items:
        unit = fixed_amount(item["price"])
        if unit is None:
            return None
        amount = unit.times(int(item.get("quantity") or 0))
        total = amount if total is None else total + amount
    return total


def _cost(price: Raw) -> str:
    currency = str(price["currency"])
    if price.get("custom_unit_amount"):
        return "What the customer chooses"
    if price.get("billing_scheme") == "tiered":
        return _from_tiers(price.get("tiers") or (), currency)
    unit = _exact(price.get("unit_amount"), price.get("unit_amount_decimal"), currency)
    package = (price.get("transform_quantity") or {}).get("divide_by")
    if package:
        return f"{unit} per {int(package):,} units"
    return f"{unit} per unit" if _metered(price) else unit


def _from_tiers(tiers: Sequence[Raw], currency: str) -> str:
    if not tiers:
        return "In steps"
    first = tiers[0]
    unit = _exact(first.get("unit_amount"), first.get("unit_amount_decimal"), currency)
    flat = first.get("flat_amount")
    if flat and not Decimal(str(first.get("unit_amount_decimal") or first.get("unit_amount") or 0)):
        return f"From {Money(int(flat), currency).format()}"
    return f"From {unit} per unit"


def _exact(whole: int | None, exact: str | None, currency: str) -> str:
    """An amount that may be a part of a cent, which `Money` is never."""
    if whole is not None:
        return Money(int(whole), currency).format()
    if exact is None:
        return "An open amount"
    number = Decimal(exact).scaleb(-decimals(currency)).normalize()
    return f"{number:,f} {currency.upper()}"


def _period(price: Raw) -> str:
    recurring = price.get("recurring")
    if not recurring:
        return ""
    count, interval = int(recurring.get("interval_count") or 1), str(recurring["interval"])
    if _metered(price) or price.get("transform_quantity") or price.get("billing_scheme") == "tiered":
        return f"every {interval}" if count == 1 else f"every {count} {interval}s"
    return f"per {interval}" if count == 1 else f"every {count} {interval}s"


def _manner(price: Raw) -> str:
    manners = []
    if price.get("billing_scheme") == "tiered":
        manners.append("by volume" if price.get("tiers_mode") == "volume" else "by steps")
    if _metered(price):
        manners.append("by use")
    return "".join(f", {manner}" for manner in manners)


def _metered(price: Raw) -> bool:
    return bool((price.get("recurring") or {}).get("usage_type") == "metered")
