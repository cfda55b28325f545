"""The least that Stripe charges. Below it, Stripe calls an invoice paid and adds it to the next one. Pure."""

from __future__ import annotations

from portal.money import Money

_LEAST = {
    "aed": 200, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30,
    "hkd": 400, "huf": 17_500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000, "usd": 50,
}  # fmt: skip
"""In minor units; source: Stripe, currencies page. Of other currencies it wants 0.50 US dollars' worth."""


def least_charge(currency: str) -> Money | None:
    """The smallest amount that Stripe charges, or None where it depends on the day's rate."""
    least = _LEAST.get(currency)
    return None if least is None else Money(least, currency)
