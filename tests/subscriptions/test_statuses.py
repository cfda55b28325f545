"""What a subscription's columns mean for people: status, end, next charge, price, share of the revenue."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.money import Money
from portal.subscriptions.statuses import (
    NoCharge,
    Price,
    Shown,
    Standing,
    explain_status,
    monthly_share,
)

SOON, LATER, RETRY = (datetime(2026, 12, day, tzinfo=UTC) for day in (1, 20, 3))
MONTHLY = Price(Money(2_000, "usd"), "month")


@pytest.mark.parametrize(
    ("standing", "shown"),
    [
        (Standing("trialing"), "trialing"),
        (Standing("active"), "active"),
        (Standing("past_due"), "past_due"),
        (Standing("unpaid"), "unpaid"),
        (Standing("incomplete"), "incomplete"),
        (Standing("paused"), "paused"),
        (Standing("active", pause="void"), "paused"),
        (Standing("active", cancel_at_period_end=True), "ending"),
        (Standing("trialing", cancel_at=LATER), "ending"),
        (Standing("canceled"), "cancelled"),
        (Standing("incomplete_expired"), "expired"),
    ],
)
def test_every_status_of_a_provider_has_one_that_people_see(standing: Standing, shown: str) -> None:
    assert standing.shown == shown
    assert explain_status(standing)


def test_missing_money_is_told_before_a_pause_and_a_pause_before_an_end() -> None:
    assert Standing("past_due", pause="void", cancel_at_period_end=True).shown is Shown.PAST_DUE
    assert Standing("active", pause="void", cancel_at_period_end=True).shown is Shown.PAUSED
    assert Standing("canceled", pause="void", cancel_at_period_end=True).shown is Shown.CANCELLED


def test_it_ends_on_the_day_that_was_chosen_else_with_its_period_and_one_that_ended_when_it_did() -> None:
    assert Standing("active", period_end=SOON).ends_at is None
    assert Standing("active", period_end=SOON, cancel_at_period_end=True).ends_at == SOON
    assert Standing("active", period_end=SOON, cancel_at_period_end=True, cancel_at=LATER).ends_at == LATER
    assert Standing("canceled", period_end=LATER, cancel_at_period_end=True, ended_at=SOON).ends_at == SOON


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (Standing("active", period_end=SOON), SOON),
        (Standing("active"), NoCharge.UNKNOWN),
        (Standing("trialing", period_end=LATER, trial_end=SOON), SOON),
        (Standing("past_due", period_end=LATER, retry_at=RETRY), RETRY),
        (Standing("past_due", period_end=LATER), LATER),
        (Standing("unpaid", period_end=SOON), NoCharge.UNPAID),
        (Standing("incomplete", period_end=SOON), NoCharge.INCOMPLETE),
        (Standing("paused", period_end=SOON), NoCharge.PAUSED),
        (Standing("active", pause="void", period_end=SOON), NoCharge.PAUSED),
        (Standing("active", period_end=SOON, cancel_at_period_end=True), NoCharge.ENDING),
        (Standing("active", period_end=SOON, cancel_at=SOON), NoCharge.ENDING),
        (Standing("active", period_end=SOON, cancel_at=LATER), SOON),
        (Standing("canceled", period_end=SOON), NoCharge.ENDED),
    ],
)
def test_the_next_charge_is_a_day_or_the_reason_why_there_is_none(
    standing: Standing, expected: datetime | NoCharge
) -> None:
    assert standing.next_charge == expected


@pytest.mark.parametrize(
    ("price", "words"),
    [
        (MONTHLY, "$20.00 / month"),
        (Price(Money(5_000, "jpy"), "month", 3), "¥5,000 every 3 months"),
        (Price(Money(120_000, "usd"), "year"), "$1,200.00 / year"),
        (Price(Money(900, "usd"), ""), "$9.00 once"),
        (Price(None, "month"), "Depends on use"),
    ],
)
def test_prices_read_as_words(price: Price, words: str) -> None:
    assert price.words == words


@pytest.mark.parametrize(
    ("status", "pause", "price", "share"),
    [
        ("active", "", MONTHLY, Money(2_000, "usd")),
        ("past_due", "", MONTHLY, Money(2_000, "usd")),
        ("active", "", Price(Money(120_000, "usd"), "year"), Money(10_000, "usd")),
        ("active", "", Price(Money(5_000, "jpy"), "month", 3), Money(1_667, "jpy")),
        ("active", "", Price(Money(1_000, "usd"), "week"), Money(4_345, "usd")),
        ("active", "void", MONTHLY, None),
        ("active", "", Price(None, "month"), None),
        ("trialing", "", MONTHLY, None),
        ("paused", "", MONTHLY, None),
        ("unpaid", "", MONTHLY, None),
        ("incomplete", "", MONTHLY, None),
        ("canceled", "", MONTHLY, None),
    ],
)
def test_what_is_paid_by_the_month_counts_and_nothing_that_is_not_paid_yet(
    status: str, pause: str, price: Price, share: Money | None
) -> None:
    assert monthly_share(Standing(status, pause=pause), price) == share
