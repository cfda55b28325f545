"""Lines of an invoice that Stripe made, with whatever else is in it, add up to its total."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.stripe.domain.drawn_up import read_lines, subscription_of


def line(amount: int, quantity: int | None = 1, **fields: Any) -> dict[str, Any]:
    return {"amount": amount, "quantity": quantity, "description": "Work", **fields}


def invoice(total: int, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"currency": "usd", "total": total, "lines": {"data": list(lines)}, **fields}


CASES = [
    (invoice(500, line(300, 3), line(200)), [("Work", 3, 300), ("Work", 1, 200)]),
    (invoice(100, line(100, 3)), [("3 × Work", 1, 100)]),
    (invoice(100, line(100, None)), [("Work", 1, 100)]),
    (invoice(100, line(100, 0)), [("Work", 1, 100)]),
    (invoice(100, line(100, description=None)), [("Without a description", 1, 100)]),
    (
        invoice(119, line(100), total_taxes=[{"amount": 19, "tax_behavior": "exclusive"}]),
        [("Work", 1, 100)],
    ),
    (
        invoice(
            119,
            line(119, taxes=[{"amount": 19, "tax_behavior": "inclusive"}]),
            total_taxes=[{"amount": 19, "tax_behavior": "inclusive"}],
        ),
        [("Work", 1, 100)],
    ),
    (
        invoice(80, line(100), total_discount_amounts=[{"amount": 20}]),
        [("Work", 1, 100), ("Discount", 1, -20)],
    ),
    (invoice(105, line(100), amount_shipping=5), [("Work", 1, 100), ("Shipping", 1, 5)]),
    (
        invoice(85, line(100), amount_shipping=5, total_discount_amounts=[{"amount": 20}]),
        [("Work", 1, 100), ("Shipping", 1, 5), ("Discount", 1, -20)],
    ),
    (invoice(90, line(100)), [("Work", 1, 100), ("Adjustment", 1, -10)]),
    (invoice(0), []),
]


@pytest.mark.parametrize(("raw", "lines"), CASES)
def test_the_lines_and_the_tax_make_the_total(raw: dict[str, Any], lines: list[tuple[str, int, int]]) -> None:
    drawn = read_lines(raw)
    assert [(one.description, one.quantity, one.amount.amount_minor) for one in drawn.lines] == lines
    assert sum(one.amount.amount_minor for one in drawn.lines) + drawn.tax.amount_minor == raw["total"]
    assert all(one.amount.amount_minor % one.quantity == 0 for one in drawn.lines)


def test_the_subscription_is_named_as_an_id_or_an_object() -> None:
    def of(subscription: object) -> str | None:
        return subscription_of({"parent": {"subscription_details": {"subscription": subscription}}})

    assert (of("sub_1"), of({"id": "sub_1"}), of(None)) == ("sub_1", "sub_1", None)
    assert subscription_of({"parent": None}) is None
