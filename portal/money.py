"""Money: a whole number of minor units and a currency. Pure; the only place that knows decimals."""

from __future__ import annotations

import copy
import functools
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from babel import Locale
from babel.numbers import NumberPattern, list_currencies

ZERO_DECIMAL = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()  # source: Stripe, currencies page
)
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
WHOLE_UNITS_ONLY = frozenset("isk ugx".split())
"""Two decimals on the wire, but the provider takes whole major units alone.

Forints and Taiwan dollars are whole in payouts alone: their decimals can be charged.
"""
LOCALE = "en_US"
MINUS = "\u2212"
"""The sign of amounts that people read. A line may end behind it, which tables forbid with `text-nowrap`."""
FARTHEST_DIGIT = 2_000
"""Places from the point: more than a field takes."""


SYMBOL_MEETS_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
"""Where letters stand beside digits, as in `KWD1.230`: a space belongs there that does not break."""


GROUPED = {mark: re.compile(rf"-?[1-9]\d{{0,2}}(?:\{mark}\d{{2,3}})*\{mark}\d{{3}}") for mark in ",."}
"""Whole numbers with this mark between their thousands; in India every two digits above them."""


class MoneyError(ValueError):
    """The text is no amount in this currency. The message says what to type."""


def decimals(currency: str) -> int:
    """How many digits after the point the minor unit of `currency` stands for (0, 2 or 3)."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def step(currency: str) -> int:
    """The least by which chargeable amounts differ, in minor units: what lies between is refused."""
    if currency in THREE_DECIMAL:
        return 10
    return 100 if currency in WHOLE_UNITS_ONLY else 1


def is_currency(code: str) -> bool:
    """Whether `code` is a lower-case ISO 4217 code that can be formatted."""
    return code.islower() and code.upper() in list_currencies()


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in the minor unit of its currency: `Money(4200, "usd")` is $42.00."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if isinstance(self.amount_minor, bool) or not isinstance(self.amount_minor, int):
            raise TypeError("amount_minor is an int")
        if not (len(self.currency) == 3 and self.currency.islower() and self.currency.isalpha()):
            raise ValueError("currency is a lower-case three-letter code")

    def __add__(self, other: Money) -> Money:
        return Money(self.amount_minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount_minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount_minor, self.currency)

    def times(self, quantity: int) -> Money:
        """This amount, `quantity` times."""
        return Money(self.amount_minor * quantity, self.currency)

    def percent(self, rate: Decimal) -> Money:
        """`rate` percent of this amount as a chargeable one, half a step rounded away from zero."""
        least = step(self.currency)
        steps = (self.amount_minor * rate.scaleb(-2) / least).quantize(Decimal(1), ROUND_HALF_UP)
        return Money(int(steps) * least, self.currency)

    @property
    def major(self) -> Decimal:
        """The amount in major units, for display alone."""
        return Decimal(self.amount_minor).scaleb(-decimals(self.currency))

    def format(self, locale: str = LOCALE) -> str:
        """The amount for people: `$42.00`, `−$5.00`, `¥500`, `KWD 1.230`; in `de_DE` `42,00 $`."""
        places = decimals(self.currency)
        if self.currency in WHOLE_UNITS_ONLY and self.amount_minor % step(self.currency) == 0:
            places = 0
        if locale != LOCALE:
            return format_by_locale(self.major, self.currency, places, locale)
        before, after = _frame(self.currency, places, negative=self.amount_minor < 0)
        return f"{before}{abs(self.major):,.{places}f}{after}"

    def plain(self) -> str:
        """The amount for form fields and tables that machines read: `-5.00`, with a hyphen, no symbol."""
        return f"{self.major:.{decimals(self.currency)}f}"

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise ValueError(f"cannot mix {self.currency} and {other.currency}")
        return other.amount_minor


def format_by_locale(major: Decimal, currency: str, places: int, locale: str = LOCALE) -> str:
    """As the locale writes money, but with `places` digits: those that are charged, not the usual ones."""
    pattern, language = _pattern(locale, places)
    text: str = pattern.apply(major, language, currency=currency.upper(), currency_digits=False)
    return signed(SYMBOL_MEETS_DIGIT.sub("\u00a0", text))


def signed(text: str) -> str:
    """A formatted amount with the sign that people read."""
    return text.replace("-", MINUS, 1)


@functools.lru_cache(maxsize=64)
def _pattern(locale: str, places: int) -> tuple[NumberPattern, Locale]:
    language = Locale.parse(locale)
    pattern = copy.copy(language.currency_formats["standard"])
    pattern.frac_prec = (places, places)
    return pattern, language


@functools.cache
def _frame(currency: str, places: int, *, negative: bool) -> tuple[str, str]:
    """What stands before and after the digits in our own locale: a list has a hundred amounts to show."""
    one = Decimal(-1 if negative else 1)
    before, after = format_by_locale(one, currency, places).split(f"{abs(one):.{places}f}")
    return before, after


def parse_money(text: str, currency: str) -> Money:
    """Read what a person typed in major units, or copied from a page.

    The mark that comes last is the decimal one: `1,234.50` and `1.234,50` are the same amount.

    Raises:
        MoneyError: not a number, too many decimals, more than 8 digits (the provider's limit), or an amount
            that means one thing to some people and a thousand times as much to others.
    """
    cleaned = text.strip().replace(" ", "").replace("\u00a0", "").replace(MINUS, "-")
    cleaned = _pointed(cleaned, currency)
    try:
        value = Decimal(cleaned)
    except InvalidOperation:
        raise _unreadable(currency) from None
    # Powers of ten such as 1e999999 are numbers, too, which nothing can be reckoned with.
    if not value.is_finite() or (value and abs(value.adjusted()) > FARTHEST_DIGIT):
        raise _unreadable(currency)
    return _to_minor(value or Decimal(0), currency)


def example_amount(currency: str) -> str:
    """An amount as a form takes it, for messages: `480.00`, `480`, `480.000`."""
    return f"{Decimal(480):.{decimals(currency)}f}"


def _pointed(typed: str, currency: str) -> str:
    """The same number with a point before its decimals and no marks between its thousands."""
    marks = [mark for mark in typed if mark in ",."]
    if not marks:
        return typed
    last = marks[-1]
    thousands = "," if last == "." else "."
    if marks.count(last) > 1 or (last == "," and len(marks) == 1 and _parts_thousands(typed, currency)):
        last, thousands = "", last
    before, point, decimals_typed = typed.rpartition(last) if last else (typed, "", "")
    if thousands in before and not GROUPED[thousands].fullmatch(before):
        raise _unreadable(currency)
    return f"{before.replace(thousands, '')}{point and '.'}{decimals_typed}"


def _parts_thousands(typed: str, currency: str) -> bool:
    """Whether the one comma in it stands between thousands.

    Raises:
        MoneyError: three digits after it can be the decimals of this currency just as well.
    """
    if not GROUPED[","].fullmatch(typed):
        return False
    if decimals(currency) == len(typed.rpartition(",")[2]):
        raise MoneyError("Write this amount without a comma: it can be read in two ways.")
    return True


def _unreadable(currency: str) -> MoneyError:
    return MoneyError(f"Enter an amount in digits, for example {example_amount(currency)}.")


def _to_minor(value: Decimal, currency: str) -> Money:
    places = decimals(currency)
    scaled = value.scaleb(places)
    # Also zeros: in many languages the point of 1.200 stands between thousands.
    if int(scaled.as_tuple().exponent) < 0:
        example = "whole amounts" if places == 0 else f"at most {places} digits after the point"
        raise MoneyError(f"{currency.upper()} has {example}.")
    minor = int(scaled)
    if abs(minor) > 99_999_999:
        raise MoneyError("This is more than the payment provider can charge at once (8 digits).")
    if currency in THREE_DECIMAL and minor % step(currency):
        raise MoneyError(f"The last digit of {currency.upper()} amounts must be 0.")
    if currency in WHOLE_UNITS_ONLY and minor % step(currency):
        raise MoneyError(f"{currency.upper()} can only be charged in whole units.")
    return Money(minor, currency)


def total(amounts: list[Money], currency: str) -> Money:
    """The sum, `Money(0, currency)` for none."""
    result = Money(0, currency)
    for amount in amounts:
        result = result + amount
    return result
