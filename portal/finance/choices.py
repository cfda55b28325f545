"""Currencies and time zones as the options of a select."""

from __future__ import annotations

from functools import cache

from babel.numbers import get_currency_name, list_currencies

from portal.finance.services import time_zones
from portal.money import is_currency

FIRST_CURRENCIES = ("usd", "eur", "gbp", "cad", "aud", "jpy", "chf")
"""At the top of the list, so that most people need not scroll."""


@cache
def currency_choices() -> tuple[tuple[str, str], ...]:
    """`("usd", "USD – US Dollar")` and so on."""
    codes = sorted(code.lower() for code in list_currencies(locale="en") if is_currency(code.lower()))
    ordered = (*FIRST_CURRENCIES, *(code for code in codes if code not in FIRST_CURRENCIES))
    return tuple(
        (code, f"{code.upper()} – {get_currency_name(code.upper(), locale='en')}") for code in ordered
    )


@cache
def time_zone_choices() -> tuple[tuple[str, str], ...]:
    """`("Europe/Berlin", "Europe/Berlin")` and so on, with spaces for underscores."""
    return tuple((zone, zone.replace("_", " ")) for zone in time_zones())
