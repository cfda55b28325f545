"""What counts as a customer's word, and which of several."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from plugins.stripe.domain.agreements import METHOD_KEY, agreement_in, newest


def setup(**other: Any) -> dict[str, Any]:
    return {
        "status": "succeeded",
        "customer": "cus_1",
        "payment_method": "pm_1",
        "metadata": {METHOD_KEY: "sub_1"},
        "created": 100,
        "latest_attempt": {"created": 200},
        **other,
    }


def test_the_word_is_of_the_moment_when_the_form_was_sent() -> None:
    word = agreement_in(setup())
    assert word is not None
    assert (word.subscription, word.customer, word.method) == ("sub_1", "cus_1", "pm_1")
    assert word.agreed_at == datetime.fromtimestamp(200, UTC)
    early = agreement_in(setup(latest_attempt=None))
    assert early is not None
    assert early.agreed_at == datetime.fromtimestamp(100, UTC)


@pytest.mark.parametrize(
    "other",
    [
        {"status": "requires_action"},
        {"status": "canceled"},
        {"metadata": {}},
        {"metadata": None},
        {"customer": None},
        {"payment_method": None},
    ],
    ids=str,
)
def test_anything_else_is_no_word(other: dict[str, Any]) -> None:
    assert agreement_in(setup(**other)) is None


def test_the_last_word_counts_in_every_order() -> None:
    words = [
        agreement_in(setup(payment_method=f"pm_{number}", latest_attempt={"created": number}))
        for number in (1, 2, 3)
    ]
    for order in itertools.permutations([*words, None]):
        assert newest(order)["sub_1"].method == "pm_3"
