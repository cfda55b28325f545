"""Which amounts Stripe charges, and the words for those that it does not."""

from __future__ import annotations

import pytest

from plugins.stripe.domain.minimums import charge_problem
from portal.money import Money


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (Money(49, "usd"), "Stripe charges no less than $0.50."),
        (Money(50, "usd"), None),
        (Money(49, "jpy"), "Stripe charges no less than ¥50."),
        (Money(50, "jpy"), None),
        (Money(17_499, "huf"), "Stripe charges no less than HUF\u00a0175.00."),
        (Money(17_550, "huf"), None),
        (Money(1_234, "kwd"), "Stripe charges KWD in steps of KWD\u00a00.010."),
        (Money(1_230, "kwd"), None),
        (Money(150, "isk"), "Stripe charges ISK in steps of ISK\u00a01."),
        (Money(10_000, "isk"), None),
        (Money(99_999_999, "usd"), None),
        (Money(100_000_000, "usd"), "Stripe charges no more than $999,999.99 at once."),
        (Money(100_000_000, "kwd"), "Stripe charges no more than KWD\u00a099,999.990 at once."),
        (Money(0, "usd"), None),
        (Money(-5, "usd"), None),
    ],
)
def test_amount_that_stripe_would_not_charge_is_explained(amount: Money, words: str | None) -> None:
    assert charge_problem(amount) == words
