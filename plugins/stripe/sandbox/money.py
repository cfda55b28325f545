"""Amounts in words, and the fees of the sandbox. All amounts are in the smallest unit."""

from __future__ import annotations

ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}
MINIMUM = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "cad": 50, "aud": 50, "chf": 50}
"""The least that can be charged, where the sandbox knows it."""
MAX_AMOUNT = 99_999_999

_BANK_FEE_CAP = 500


def decimals(currency: str) -> int:
    """How many digits follow the point."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def in_words(amount: int, currency: str) -> str:
    """`$12.50`, `¥500`, `12.50 sek`: as messages write amounts."""
    places = decimals(currency)
    whole, rest = divmod(abs(amount), 10**places)
    text = f"{whole:,}" + (f".{rest:0{places}d}" if places else "")
    minus = "-" if amount < 0 else ""
    sign = _SIGNS.get(currency)
    return f"{minus}{sign}{text}" if sign else f"{minus}{text} {currency}"


def processing_fee(amount: int, method_type: str) -> int:
    """What the sandbox takes: 2.9 % and 30 for cards, 0.8 % up to 500 for bank debits."""
    if method_type == "us_bank_account":
        return min(_share(amount, 8), _BANK_FEE_CAP)
    return _share(amount, 29) + 30


def _share(amount: int, thousandths: int) -> int:
    return (amount * thousandths + 500) // 1000
