"""Whether Stripe holds disputed money back now, and what became of what a credit note gave back."""

from __future__ import annotations

import pytest

from plugins.stripe.domain.money_back import describe_aside, is_withdrawn, lost_of_balance
from portal.money import Money


@pytest.mark.parametrize(
    ("moved", "withdrawn"),
    [
        ((), False),
        ((-4_000,), True),
        ((-4_000, 4_000), False),
        ((-4_000, 3_912), False),  # the account has another currency, and its rate moved meanwhile
        ((-4_000, 4_088, -4_000), True),
    ],
)
def test_what_was_given_back_is_back_at_whatever_rate(moved: tuple[int, ...], withdrawn: bool) -> None:  # noqa: FBT001 - a column
    assert is_withdrawn({"balance_transactions": [{"amount": amount} for amount in moved]}) is withdrawn


def test_what_the_balance_lost_last_is_in_the_accounts_currency() -> None:
    moved = [{"amount": -4_000, "currency": "eur"}, {"amount": 3_900, "currency": "eur"}]
    assert lost_of_balance({"balance_transactions": moved}) == Money(4_000, "eur")
    again = [*moved, {"amount": -4_100, "currency": "eur"}]
    assert lost_of_balance({"balance_transactions": again}) == Money(4_100, "eur")
    assert lost_of_balance({"balance_transactions": []}) is None


@pytest.mark.parametrize(
    ("post", "refunded", "outside", "words"),
    [
        (0, 0, None, ""),
        (500, 500, None, "$5.00 of it goes back as a refund."),
        (500, 0, 0, "$5.00 of it went to the customer's balance in Stripe."),
        (500, 0, 500, "$5.00 of it was given back outside Stripe."),
    ],
)
def test_what_was_paid_already_is_told_by_where_it_went(
    post: int, refunded: int, outside: int | None, words: str
) -> None:
    refunds = [{"amount_refunded": refunded}] if refunded else []
    note = {"currency": "usd", "post_payment_amount": post, "refunds": refunds, "out_of_band_amount": outside}
    assert describe_aside(note) == words
