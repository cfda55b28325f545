"""What Stripe charges at once. Below its least it calls an invoice paid and adds it to the next one. Pure."""

from __future__ import annotations

from portal.money import Money, step

MOST_DIGITS = 8
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


def too_small(amount: Money) -> str | None:
    """The sentence for an amount below the least, else None."""
    least = least_charge(amount.currency)
    if least is None or amount.amount_minor >= least.amount_minor:
        return None
    return f"Stripe charges no less than {least.format()}."


def charge_problem(amount: Money) -> str | None:
    """Why Stripe would not charge this amount, as a sentence. None: it does, or nothing is to charge."""
    currency = amount.currency
    if amount.amount_minor <= 0:
        return None
    if problem := too_small(amount):
        return problem
    if amount.amount_minor % step(currency):
        return f"Stripe charges {currency.upper()} in steps of {Money(step(currency), currency).format()}."
    if len(str(amount.amount_minor)) > MOST_DIGITS:
        most = Money(10**MOST_DIGITS - step(currency), currency)
        return f"Stripe charges no more than {most.format()} at once."
    return None
