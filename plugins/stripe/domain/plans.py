"""What a price costs and how it is called for people, and what a subscription costs in one period. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from portal.money import Money, decimals

Raw = dict[str, Any]
MOST_TOLD = 3
"""So many steps of a price are told one by one."""


def fixed_amount(price: Raw) -> Money | None:
    """The amount of one unit when it is always the same and whole; None: it depends on something."""
    amount = price.get("unit_amount")
    if amount is None or price.get("billing_scheme") == "tiered" or price.get("custom_unit_amount"):
        return None
    if is_metered(price) or price.get("transform_quantity"):
        return None
    return Money(int(amount), str(price["currency"]))


def is_metered(price: Raw) -> bool:
    """Whether use is counted, so that nobody orders a quantity."""
    recurring = price.get("recurring") or {}
    return bool(recurring.get("usage_type") == "metered" or recurring.get("meter"))


def describe_price(price: Raw) -> str:
    """`$20.00 per month`, `$5.00 per 1,000 units every month, by use`, `Per unit: $10 up to 5, $8 from 6`."""
    between = ", " if price.get("tiers") else " "
    return between.join(part for part in (_cost(price), _period(price)) if part) + _manner(price)


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
        tiers = price.get("tiers") or ()
        return _steps(tiers, currency, volume=price.get("tiers_mode") == "volume") if tiers else "In steps"
    unit = _exact(price.get("unit_amount"), price.get("unit_amount_decimal"), currency)
    package = (price.get("transform_quantity") or {}).get("divide_by")
    if package:
        return f"{unit} per {int(package):,} units"
    return f"{unit} per unit" if is_metered(price) else unit


def _steps(tiers: Sequence[Raw], currency: str, *, volume: bool) -> str:
    """All of them where they are few, else the first and how many more there are."""
    if len(tiers) == 1:
        return _tier(tiers[0], currency, " per unit")
    told = tiers if len(tiers) <= MOST_TOLD else tiers[:1]
    said = _by_volume(told, currency) if volume else _by_steps(told, currency)
    more = len(tiers) - len(told)
    return f"{said} and {more} more steps" if more else said


def _by_volume(tiers: Sequence[Raw], currency: str) -> str:
    """The step that the quantity reaches is the price of all of it."""
    bounds = [f"up to {int(tier['up_to']):,}" if tier.get("up_to") else "" for tier in tiers]
    if not bounds[-1]:
        bounds[-1] = f"from {int(tiers[-2]['up_to']) + 1:,}"
    parts = (f"{_tier(tier, currency)} {bound}" for tier, bound in zip(tiers, bounds, strict=True))
    return f"Per unit: {', '.join(parts)}"


def _by_steps(tiers: Sequence[Raw], currency: str) -> str:
    """Each step is the price of what lies in it."""
    parts = [f"{_tier(tiers[0], currency)} for the first {int(tiers[0]['up_to']):,}"]
    for tier in tiers[1:]:
        if tier.get("up_to"):
            parts.append(f"{_tier(tier, currency)} up to {int(tier['up_to']):,}")
        else:
            parts.append(f"then {_tier(tier, currency, ' each')}")
    return ", ".join(parts)


def _tier(tier: Raw, currency: str, each: str = "") -> str:
    """What a step costs: `$8.00`, `$5.00 flat`, `$8.00 and $5.00 flat`."""
    flat, exact_flat = tier.get("flat_amount"), tier.get("flat_amount_decimal")
    unit, exact = tier.get("unit_amount"), tier.get("unit_amount_decimal")
    parts = []
    if Decimal(str(exact or unit or 0)) or not Decimal(str(exact_flat or flat or 0)):
        parts.append(f"{_exact(unit, exact, currency)}{each}")
    if Decimal(str(exact_flat or flat or 0)):
        parts.append(f"{_exact(flat, exact_flat, currency)} flat")
    return " and ".join(parts)


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
    if is_metered(price) or price.get("transform_quantity") or price.get("billing_scheme") == "tiered":
        return f"every {interval}" if count == 1 else f"every {count} {interval}s"
    return f"per {interval}" if count == 1 else f"every {count} {interval}s"


def _manner(price: Raw) -> str:
    manners = []
    if price.get("billing_scheme") == "tiered" and not price.get("tiers"):
        manners.append("by volume" if price.get("tiers_mode") == "volume" else "by steps")
    if is_metered(price):
        manners.append("by use")
    return "".join(f", {manner}" for manner in manners)
