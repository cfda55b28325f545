"""Money: a whole number of minor units and a currency. Pure; the only place that knows decimals."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from babel.numbers import format_currency, list_currencies

ZERO_DECIMAL = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()  # source: Stripe, currencies page
)
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
WHOLE_UNITS_ONLY = frozenset("isk ugx huf twd".split())
"""Two decimals on the wire, but the provider takes whole major units alone."""


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

    def times(self, quantity: int) -> Money:
        """This amount, `quantity` times."""
        return Money(self.amount_minor * quantity, self.currency)

    def percent(self, rate: Decimal) -> Money:
        """`rate` percent of this amount as a chargeable one, half a step rounded away from zero."""
        least = step(self.currency)
        steps = (Decimal(self.amount_minor) * rate / Decimal(100 * least)).quantize(Decimal(1), ROUND_HALF_UP)
        return Money(int(steps) * least, self.currency)

    @property
    def major(self) -> Decimal:
        """The amount in major units, for display alone."""
        return Decimal(self.amount_minor).scaleb(-decimals(self.currency))

    def format(self, locale: str = "en_US") -> str:
        """The amount for people: `$42.00`, `¥500`, `KWD 1.230`."""
        places = decimals(self.currency)
        pattern = (
            "¤#,##0"
            + ("." + "0" * places if places else "")
            + ";-¤#,##0"
            + ("." + "0" * places if places else "")
        )
        text = format_currency(
            self.major, self.currency.upper(), format=pattern, locale=locale, currency_digits=False
        )
        return text.replace(self.currency.upper(), self.currency.upper() + "\u00a0", 1)

    def plain(self) -> str:
        """The amount as a form field shows it: digits and a point, no symbol."""
        return f"{self.major:.{decimals(self.currency)}f}"

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise ValueError(f"cannot mix {self.currency} and {other.currency}")
        return other.amount_minor


def parse_money(text: str, currency: str) -> Money:
    """Read what a person typed in major units.

    Raises:
        MoneyError: not a number, too many decimals, or more than 8 digits (the provider's limit).
    """
    cleaned = text.strip().replace(" ", "").replace("\u00a0", "")
    if "," in cleaned and "." in cleaned:
        cleaned = cleaned.replace(",", "")
    elif cleaned.count(",") == 1 and len(cleaned.rsplit(",", 1)[1]) != 3:
        cleaned = cleaned.replace(",", ".")
    else:
        cleaned = cleaned.replace(",", "")
    try:
        value = Decimal(cleaned)
    except InvalidOperation:
        raise MoneyError("Enter an amount in digits, for example 480.00.") from None
    if not value.is_finite():
        raise MoneyError("Enter an amount in digits, for example 480.00.")
    return _to_minor(value, currency)


def _to_minor(value: Decimal, currency: str) -> Money:
    places = decimals(currency)
    scaled = value.scaleb(places)
    if scaled != scaled.to_integral_value():
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
