"""Money keeps whole minor units, whatever the currency."""

from __future__ import annotations

from decimal import Decimal

import pytest

from portal.money import Money, MoneyError, parse_money


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [
        ("480", "usd", 48_000),
        ("480.00", "usd", 48_000),
        ("1,234.50", "usd", 123_450),
        ("1,234", "usd", 123_400),
        ("12,5", "eur", 1_250),
        (" 0.01 ", "usd", 1),
        ("500", "jpy", 500),
        ("1.230", "kwd", 1_230),
        ("-5.00", "usd", -500),
        ("100", "isk", 10_000),
    ],
)
def test_typed_amounts_become_minor_units(typed: str, currency: str, minor: int) -> None:
    assert parse_money(typed, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("typed", "currency", "words"),
    [
        ("abc", "usd", "digits"),
        ("", "usd", "digits"),
        ("NaN", "usd", "digits"),
        ("1e999", "usd", "digits|more than"),
        ("1.001", "usd", "at most 2"),
        ("1.5", "jpy", "whole"),
        ("1.234", "kwd", "last digit"),
        ("1000000.00", "usd", "more than"),
        ("1.50", "isk", "whole units"),
    ],
)
def test_bad_amounts_say_what_to_type(typed: str, currency: str, words: str) -> None:
    with pytest.raises(MoneyError, match=words):
        parse_money(typed, currency)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(48_000, "usd"), "$480.00"),
        (Money(123_456_789, "usd"), "$1,234,567.89"),
        (Money(-500, "usd"), "-$5.00"),
        (Money(500, "jpy"), "¥500"),
        (Money(1_230, "kwd"), "KWD\u00a01.230"),
        (Money(99, "eur"), "€0.99"),
    ],
)
def test_amounts_read_as_people_write_them(money: Money, text: str) -> None:
    assert money.format() == text


@pytest.mark.parametrize("currency", ["usd", "jpy", "kwd", "eur"])
def test_what_a_field_shows_is_read_back_as_the_same_amount(currency: str) -> None:
    for minor in (0, 10, 990, 12_340, 9_999_990):
        assert parse_money(Money(minor, currency).plain(), currency) == Money(minor, currency)


def test_half_a_minor_unit_is_rounded_away_from_zero() -> None:
    assert Money(250, "usd").percent(Decimal(1)) == Money(3, "usd")
    assert Money(-250, "usd").percent(Decimal(1)) == Money(-3, "usd")


@pytest.mark.parametrize(
    ("amount", "currency", "rate", "tax"),
    [
        (1_230, "kwd", "5", 60),
        (1_300, "kwd", "5", 70),
        (9_900, "isk", "24", 2_400),
        (9_900, "isk", "11", 1_100),
        (990, "jpy", "10", 99),
        (995, "jpy", "10", 100),
        (999, "usd", "8.1", 81),
    ],
)
def test_a_share_is_an_amount_that_can_be_charged(amount: int, currency: str, rate: str, tax: int) -> None:
    assert Money(amount, currency).percent(Decimal(rate)) == Money(tax, currency)


def test_currencies_are_never_added_up() -> None:
    with pytest.raises(ValueError, match="cannot mix"):
        Money(1, "usd") + Money(1, "eur")


@pytest.mark.parametrize("amount", [1.0, True, "1"])
def test_only_whole_numbers_are_money(amount: object) -> None:
    with pytest.raises(TypeError):
        Money(amount, "usd")  # type: ignore[arg-type]  # the point of the test
