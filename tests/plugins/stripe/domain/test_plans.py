"""What prices cost and how they are called, and what a subscription costs in a period."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.stripe.domain.plans import describe_price, fixed_amount, period_amount
from portal.money import Money

MONTH = {"interval": "month", "interval_count": 1, "usage_type": "licensed"}
YEAR = {"interval": "year", "interval_count": 1, "usage_type": "licensed"}
METERED = {"interval": "month", "interval_count": 1, "usage_type": "metered"}


def price(**fields: Any) -> dict[str, Any]:
    return {
        "currency": "usd",
        "unit_amount": 2000,
        "billing_scheme": "per_unit",
        "recurring": MONTH,
        **fields,
    }


def tiered(mode: str, *tiers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    given = {"billing_scheme": "tiered", "tiers_mode": mode, "unit_amount": None, "tiers": list(tiers)}
    return price(**given, **fields)


def tier(
    up_to: int | None, unit: int | None, flat: int | None = None, *, exact: str | None = None
) -> dict[str, Any]:
    """As Stripe gives it."""
    return {
        "up_to": up_to,
        "unit_amount": unit,
        "unit_amount_decimal": exact or (None if unit is None else str(unit)),
        "flat_amount": flat,
        "flat_amount_decimal": None if flat is None else str(flat),
    }


CASES = [
    (price(), "$20.00 per month", 2000),
    (price(recurring=YEAR), "$20.00 per year", 2000),
    (price(recurring={**MONTH, "interval_count": 3}), "$20.00 every 3 months", 2000),
    (price(recurring=None), "$20.00", 2000),
    (price(unit_amount=0), "$0.00 per month", 0),
    (price(currency="jpy", unit_amount=500), "¥500 per month", 500),
    (
        price(unit_amount=None, unit_amount_decimal="0.25", recurring=METERED),
        "0.0025 USD per unit every month, by use",
        None,
    ),
    (price(recurring=METERED), "$20.00 per unit every month, by use", None),
    (price(transform_quantity={"divide_by": 1000}), "$20.00 per 1,000 units every month", None),
    (
        price(unit_amount=None, custom_unit_amount={"minimum": 5}, recurring=None),
        "What the customer chooses",
        None,
    ),
    (
        tiered("volume", {"unit_amount": 500, "flat_amount": None}),
        "$5.00 per unit, every month",
        None,
    ),
    (
        tiered(
            "graduated", {"unit_amount": 0, "unit_amount_decimal": "0", "flat_amount": 900}, recurring=YEAR
        ),
        "$9.00 flat, every year",
        None,
    ),
    (tiered("graduated"), "In steps every month, by steps", None),
    (price(unit_amount=None), "An open amount per month", None),
    (
        tiered("graduated", tier(5, 1_000), tier(None, 800)),
        "$10.00 for the first 5, then $8.00 each, every month",
        None,
    ),
    (
        tiered("graduated", tier(5, 1_000), tier(2_000, 900), tier(None, 800), recurring=YEAR),
        "$10.00 for the first 5, $9.00 up to 2,000, then $8.00 each, every year",
        None,
    ),
    (
        tiered("volume", tier(5, 1_000), tier(None, 800)),
        "Per unit: $10.00 up to 5, $8.00 from 6, every month",
        None,
    ),
    (
        tiered("volume", tier(5, 1_000), tier(1_000, 900), tier(None, 800)),
        "Per unit: $10.00 up to 5, $9.00 up to 1,000, $8.00 from 1,001, every month",
        None,
    ),
    (
        tiered("graduated", *(tier(up_to, 1_000) for up_to in (5, 10, 20)), tier(None, 800)),
        "$10.00 for the first 5 and 3 more steps, every month",
        None,
    ),
    (
        tiered("volume", *(tier(up_to, 1_000) for up_to in (5, 10, 20, 30)), tier(None, 800)),
        "Per unit: $10.00 up to 5 and 4 more steps, every month",
        None,
    ),
    (
        tiered("graduated", tier(5, 0, 900), tier(None, 800)),
        "$9.00 flat for the first 5, then $8.00 each, every month",
        None,
    ),
    (
        tiered("graduated", tier(5, 0), tier(None, 800, 300)),
        "$0.00 for the first 5, then $8.00 each and $3.00 flat, every month",
        None,
    ),
    (
        tiered("volume", tier(5, 1_000, 200), tier(None, 0, 5_000)),
        "Per unit: $10.00 and $2.00 flat up to 5, $50.00 flat from 6, every month",
        None,
    ),
    (
        tiered(
            "graduated", tier(5_000, None, exact="0.25"), tier(None, None, exact="0.1"), recurring=METERED
        ),
        "0.0025 USD for the first 5,000, then 0.001 USD each, every month, by use",
        None,
    ),
    (
        price(recurring={"interval": "month", "interval_count": 1, "meter": "mtr_1"}),
        "$20.00 per unit every month, by use",
        None,
    ),
    (
        price(transform_quantity={"divide_by": 1000, "round": "up"}, recurring=METERED),
        "$20.00 per 1,000 units every month, by use",
        None,
    ),
    (
        price(unit_amount=None, unit_amount_decimal="0.5", transform_quantity={"divide_by": 10}),
        "0.005 USD per 10 units every month",
        None,
    ),
    (price(unit_amount=None, unit_amount_decimal="1050.5"), "10.505 USD per month", None),
]


@pytest.mark.parametrize(("given", "words", "amount"), CASES, ids=[case[1] for case in CASES])
def test_a_price_is_called_by_what_it_costs(given: dict[str, Any], words: str, amount: int | None) -> None:
    assert describe_price(given) == words
    expected = None if amount is None else Money(amount, str(given["currency"]))
    assert fixed_amount(given) == expected


def test_a_period_costs_what_all_items_cost_together() -> None:
    items = [{"price": price(), "quantity": 3}, {"price": price(unit_amount=50), "quantity": 1}]
    assert period_amount(items) == Money(6050, "usd")


def test_one_item_by_use_leaves_the_amount_open() -> None:
    assert period_amount([{"price": price(), "quantity": 1}, {"price": price(recurring=METERED)}]) is None
    assert period_amount([]) is None
