"""Money keeps whole minor units, whatever the currency."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from portal.money import (
    WHOLE_UNITS_ONLY,
    Money,
    MoneyError,
    decimals,
    format_by_locale,
    is_currency,
    parse_money,
    step,
)
from portal.web.formats import show_money, show_short_money

STRIPE_CURRENCIES = """
usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd
cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd
hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad
mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln
pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs
uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw
""".split()
"""What Stripe charges in; source: Stripe, currencies page."""


@pytest.mark.parametrize("currency", STRIPE_CURRENCIES)
def test_every_currency_of_stripes_is_one_of_ours(currency: str) -> None:
    assert is_currency(currency)


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
        ("0e999999", "usd", 0),
        ("-0e9999999", "usd", 0),
        ("1.230", "kwd", 1_230),
        ("-5.00", "usd", -500),
        ("−5.00", "usd", -500),
        ("100", "isk", 10_000),
        ("5", "ugx", 500),
        ("10.50", "huf", 1_050),
        ("10.50", "twd", 1_050),
        ("1.23", "kwd", 1_230),
        ("1.234,50", "eur", 123_450),
        ("1.200,00", "usd", 120_000),
        ("-1.200,00", "usd", -120_000),
        ("1.200.000", "jpy", 1_200_000),
        ("123.456,78", "eur", 12_345_678),
        ("1,23,456.78", "inr", 12_345_678),
        ("1.230,50", "kwd", 1_230_500),
        ("0,500", "kwd", 500),
        ("1234,500", "kwd", 1_234_500),
        ("1,230.500", "kwd", 1_230_500),
    ],
)
def test_typed_amounts_become_minor_units(typed: str, currency: str, minor: int) -> None:
    assert parse_money(typed, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("typed", "currency", "words"),
    [
        ("abc", "usd", r"digits, for example 480\.00\.$"),
        ("abc", "jpy", r"digits, for example 480\.$"),
        ("abc", "kwd", r"digits, for example 480\.000\.$"),
        ("", "usd", "digits"),
        ("NaN", "usd", "digits"),
        ("1e999", "usd", "digits|more than"),
        ("1e999999", "usd", "digits|more than"),
        ("-1e999999999", "jpy", "digits|more than"),
        ("1e-99999999", "usd", "digits|at most"),
        ("1.001", "usd", "at most 2"),
        ("1.5", "jpy", "whole"),
        ("1.234", "kwd", "last digit"),
        ("1000000.00", "usd", "more than"),
        ("1.50", "isk", "whole units"),
        ("1.50", "ugx", "whole units"),
        # What is a thousand in one country is one in another: nobody guesses.
        ("1.200", "usd", "at most 2"),
        ("1.000", "jpy", "whole"),
        ("1,230", "kwd", "without a comma"),
        ("0,500", "usd", "at most 2"),
        ("1,2,3", "usd", "digits"),
        ("12,34.50", "usd", "digits"),
        ("1.2,3.4", "usd", "digits"),
        ("1,234,5.00", "usd", "digits"),
        ("01,234", "usd", "at most 2"),
        (",", "usd", "digits"),
        (".", "usd", "digits"),
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
        (Money(-500, "usd"), "−$5.00"),
        (Money(500, "jpy"), "¥500"),
        (Money(1_230, "kwd"), "KWD\u00a01.230"),
        (Money(99, "eur"), "€0.99"),
        (Money(-1_230, "kwd"), "−KWD\u00a01.230"),
        (Money(123_400, "isk"), "ISK\u00a01,234"),
        (Money(123_450, "isk"), "ISK\u00a01,234.50"),
        (Money(1_050, "huf"), "HUF\u00a010.50"),
    ],
)
def test_amounts_read_as_people_write_them(money: Money, text: str) -> None:
    assert money.format() == text


@pytest.mark.parametrize(
    ("money", "read", "short", "plain"),
    [
        (Money(-500, "usd"), "−$5.00", "−$5", "-5.00"),
        (Money(-123_456, "eur"), "−€1,234.56", "−€1.2K", "-1234.56"),
        (Money(-500, "jpy"), "−¥500", "−¥500", "-500"),
        (Money(-1_230, "kwd"), "−KWD\u00a01.230", "−KWD1.23", "-1.230"),
        (Money(-123_400, "isk"), "−ISK\u00a01,234", "−ISK1.2K", "-1234.00"),
    ],
)
def test_the_sign_is_one_for_people_and_another_for_machines(
    money: Money, read: str, short: str, plain: str
) -> None:
    assert money.format() == show_money(money) == show_money((money.amount_minor, money.currency)) == read
    assert (show_short_money(money), money.plain(), (-money).format()) == (short, plain, read[1:])
    assert "-" not in money.format("de_DE") + money.format("sv_SE")


@given(currency=st.sampled_from(STRIPE_CURRENCIES), steps=st.integers(-9_999_999, 9_999_999))
def test_what_a_field_shows_is_read_back_as_the_same_amount(currency: str, steps: int) -> None:
    amount = Money(steps * step(currency), currency)
    assume(abs(amount.amount_minor) <= 99_999_999)
    assert parse_money(amount.plain(), currency) == amount


@given(currency=st.sampled_from(STRIPE_CURRENCIES), minor=st.integers(-(10**11), 10**11))
def test_every_amount_reads_as_babel_writes_it_with_the_digits_that_are_charged(
    currency: str, minor: int
) -> None:
    amount = Money(minor, currency)
    text = amount.format()
    places = len(text.rpartition(".")[2]) if "." in text else 0
    assert places == decimals(currency) or (currency in WHOLE_UNITS_ONLY and places == 0)
    assert text == format_by_locale(amount.major, currency, places)
    digits = re.sub(r"[^0-9.]", "", text[text.index(next(filter(str.isdigit, text))) :])
    assert Decimal(digits) == abs(amount.major)


@given(
    currency=st.sampled_from(STRIPE_CURRENCIES),
    minor=st.integers(0, 10**9),
    rate=st.decimals(0, 100, places=3),
)
def test_a_share_is_chargeable_and_less_than_half_a_step_off(
    currency: str, minor: int, rate: Decimal
) -> None:
    share = Money(minor, currency).percent(rate)
    exact = Fraction(minor) * Fraction(rate) / 100
    assert share.amount_minor % step(currency) == 0
    assert -Fraction(step(currency), 2) < exact - share.amount_minor <= Fraction(step(currency), 2) or (
        share.amount_minor - exact == Fraction(step(currency), 2)
    )


@pytest.mark.parametrize(
    ("currency", "places", "least"),
    [
        ("usd", 2, 1),
        ("jpy", 0, 1),
        ("kwd", 3, 10),
        ("bhd", 3, 10),
        ("isk", 2, 100),
        ("ugx", 2, 100),
        ("huf", 2, 1),
        ("twd", 2, 1),
        ("mga", 0, 1),
        ("krw", 0, 1),
        ("cop", 2, 1),
    ],
)
def test_currencies_have_the_digits_and_steps_that_stripe_charges(
    currency: str, places: int, least: int
) -> None:
    assert (decimals(currency), step(currency)) == (places, least)


@pytest.mark.parametrize(
    ("money", "locale", "text"),
    [
        (Money(123_450, "eur"), "de_DE", "1.234,50\u00a0€"),
        (Money(123_450, "inr"), "hi_IN", "₹1,234.50"),
        (Money(1_230, "kwd"), "de_DE", "1,230\u00a0KWD"),
        (Money(500, "jpy"), "ja_JP", "￥500"),
        (Money(-500, "usd"), "fr_FR", "−5,00\u00a0$US"),
    ],
)
def test_amounts_follow_the_habits_of_a_language(money: Money, locale: str, text: str) -> None:
    assert money.format(locale) == text


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
