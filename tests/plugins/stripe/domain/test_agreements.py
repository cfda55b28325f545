"""What counts as a customer's word, and which of several."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from plugins.stripe.domain.agreements import (
    METHOD_KEY,
    USABLE,
    agreement_in,
    deposits_page,
    newest,
    unsent_secret,
)


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


NOW = datetime.fromtimestamp(1_000, UTC)
UNSENT = {"status": "requires_payment_method", "latest_attempt": None, "client_secret": "seti_1_secret_2"}


def test_an_unsent_form_goes_on() -> None:
    found = [setup(), setup(**UNSENT), setup(**UNSENT | {"client_secret": "older"})]
    assert unsent_secret(found, "sub_1", NOW) == "seti_1_secret_2"
    failed = setup(**UNSENT | {"last_setup_error": {"code": "card_declined"}})
    assert unsent_secret([failed], "sub_1", NOW) == "seti_1_secret_2"


@pytest.mark.parametrize(
    "other",
    [
        {"status": "succeeded"},
        {"status": "requires_action"},
        {"status": "processing"},
        {"status": "canceled"},
        {"metadata": {METHOD_KEY: "sub_2"}},
        {"metadata": {}},
        {"client_secret": None},
        {"created": 1_000 - USABLE.total_seconds()},
    ],
    ids=str,
)
def test_any_other_setup_intent_is_not_given_out_again(other: dict[str, Any]) -> None:
    assert unsent_secret([setup(**UNSENT | other)], "sub_1", NOW) is None


def waiting(sent: int, page: str = "https://payments.stripe.com/m/1", **other: Any) -> dict[str, Any]:
    """A bank account that waits for its small deposits."""
    action = {"type": "verify_with_microdeposits", "verify_with_microdeposits": {}}
    action["verify_with_microdeposits"] = {"hosted_verification_url": page}
    fields = {"status": "requires_action", "next_action": action, "latest_attempt": {"created": sent}}
    return setup(**fields | other)


def test_a_bank_account_waits_for_its_deposits_until_another_method_is_chosen() -> None:
    assert deposits_page([], "sub_1") == ""
    assert deposits_page([waiting(300)], "sub_1") == "https://payments.stripe.com/m/1"
    assert deposits_page([waiting(300), waiting(400, "later"), setup()], "sub_1") == "later"
    assert deposits_page([waiting(300), setup(latest_attempt={"created": 301})], "sub_1") == ""
    assert deposits_page([waiting(300)], "sub_2") == ""
    assert deposits_page([waiting(300, status="canceled")], "sub_1") == ""
    assert deposits_page([waiting(300, next_action={"type": "use_stripe_sdk"})], "sub_1") == ""
