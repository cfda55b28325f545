"""What one of Stripe's invoices says about money."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.stripe.domain.invoices import read_invoice
from plugins.stripe.domain.methods import describe_method
from portal.money import Money


def intent(**changes: Any) -> dict[str, Any]:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 2500,
        "currency": "usd",
        "status": "requires_payment_method",
        "created": 1795420800,
        "latest_charge": None,
        "last_payment_error": None,
    } | changes


def payment(found: Any, **changes: Any) -> dict[str, Any]:
    return {
        "id": "inpay_1",
        "status": "open",
        "amount_paid": None,
        "created": 1795420800,
        "payment": {"type": "payment_intent", "payment_intent": found},
        "status_transitions": {"paid_at": None},
    } | changes


def invoice(*payments: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "in_1",
        "status": "open",
        "currency": "usd",
        "total": 2500,
        "amount_paid": 0,
        "customer": "cus_1",
        "number": "ABC-0001",
        "hosted_invoice_url": "https://pay.example/i",
        "created": 1795420800,
        "metadata": {"portal_invoice": "abc:17"},
        "status_transitions": {"paid_at": None},
        "payments": {"data": list(payments)},
    } | changes


def test_an_open_invoice_has_received_nothing() -> None:
    reading = read_invoice(invoice(payment(intent())))
    assert (reading.paid, reading.tried, reading.intents) == ((), (), ("pi_1",))
    assert reading.portal_key == "abc:17"


def test_a_paid_payment_is_named_by_its_intent() -> None:
    done = payment(
        intent(status="succeeded", latest_charge="ch_1"),
        status="paid",
        amount_paid=2500,
        status_transitions={"paid_at": 1795420900},
    )
    (paid,) = read_invoice(invoice(done, status="paid", amount_paid=2500)).paid
    assert (paid.external_id, paid.amount, paid.attempt) == ("pi_1", Money(2500, "usd"), "ch_1")
    assert paid.at.timestamp() == 1795420900


def test_an_unexpanded_intent_is_enough_to_name_the_payment() -> None:
    done = payment("pi_9", status="paid", amount_paid=2500)
    assert read_invoice(invoice(done, status="paid", amount_paid=2500)).paid[0].external_id == "pi_9"


def test_paid_outside_stripe_is_one_offline_payment_over_the_rest() -> None:
    part = payment(intent(status="succeeded"), status="paid", amount_paid=500)
    first, rest = read_invoice(invoice(part, status="paid", amount_paid=2500)).paid
    assert (first.offline, rest.offline, rest.amount) == (False, True, Money(2000, "usd"))


@pytest.mark.parametrize(
    "told",
    [{"payments": None}, {"payments": {"data": [], "has_more": True}}, {}],
    ids=["none is told", "there are more", "one is behind"],
)
def test_what_its_payments_may_still_explain_was_not_paid_outside(told: dict[str, Any]) -> None:
    behind = payment(intent(status="succeeded"))
    assert read_invoice(invoice(behind, status="paid", amount_paid=2500) | told).paid == ()


def test_who_is_billed_as_an_account_has_its_name() -> None:
    assert read_invoice(invoice(customer=None, customer_account="acct_7")).customer == "acct_7"


def test_a_payment_under_way_is_no_money_yet() -> None:
    reading = read_invoice(invoice(payment(intent(status="processing", latest_charge="ch_ach"))))
    assert reading.under_way == frozenset({"ch_ach"})
    assert reading.paid == ()


def test_a_decline_tells_attempt_and_codes() -> None:
    error = {"code": "card_declined", "decline_code": "insufficient_funds", "charge": "ch_2"}
    (tried,) = read_invoice(invoice(payment(intent(last_payment_error=error)))).tried
    assert (tried.failed, tried.attempt, tried.decline_code) == (True, "ch_2", "insufficient_funds")


def test_an_error_of_the_past_says_nothing_once_the_intent_succeeded() -> None:
    error = {"code": "card_declined", "charge": "ch_2"}
    reading = read_invoice(invoice(payment(intent(status="succeeded", last_payment_error=error))))
    assert reading.tried == ()


def test_what_succeeded_is_under_way_until_the_invoice_counts_it() -> None:
    done = intent(status="succeeded", latest_charge="ch_ach")
    assert read_invoice(invoice(payment(done))).under_way == frozenset({"ch_ach"})
    counted = payment(done, status="paid", amount_paid=2500)
    assert read_invoice(invoice(counted, status="paid", amount_paid=2500)).under_way == frozenset()


@pytest.mark.parametrize(
    ("status", "start", "end", "settled"),
    [
        ("open", -3_000, -500, 2_500),
        ("paid", -3_000, -500, 2_500),
        ("uncollectible", -1_000, 0, 1_000),
        ("paid", 0, 20, 20),
        ("paid", -10, 10, 20),
        ("paid", 20, 0, -20),
        ("void", -3_000, -500, 0),
        ("void", 0, 0, 0),
        ("open", 20, 0, None),
        ("open", 0, 0, None),
        ("draft", -3_000, None, None),
    ],
)
def test_what_the_balance_settles_goes_back_with_a_void_and_may_be_owed_from_before(
    status: str, start: int, end: int | None, settled: int | None
) -> None:
    told = invoice(status=status, starting_balance=start, ending_balance=end)
    found = [
        (paid.external_id, paid.amount.amount_minor, paid.from_credit) for paid in read_invoice(told).paid
    ]
    assert found == ([] if settled is None else [("in_1:balance", settled, True)])


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"type": "card", "card": {"brand": "visa", "last4": "4242"}}, "Visa ending 4242"),
        ({"type": "card", "card": {"brand": "newbrand", "last4": "1111"}}, "Card ending 1111"),
        (
            {"type": "us_bank_account", "us_bank_account": {"bank_name": "Test Bank", "last4": "6789"}},
            "Test Bank ending 6789",
        ),
        ({"type": "link", "link": {}}, "Link"),
        ({"type": "some_wallet"}, "Some wallet"),
        (None, None),
        ({}, None),
    ],
)
def test_methods_have_names_for_people(details: dict[str, Any] | None, words: str | None) -> None:
    assert describe_method(details) == words
