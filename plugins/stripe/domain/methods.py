"""How a payment method is called for people. Pure."""

from __future__ import annotations

from typing import Any

_BRANDS = {
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "discover": "Discover",
    "eftpos_au": "Eftpos Australia",
    "jcb": "JCB",
    "mastercard": "Mastercard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}
_OTHERS = {"link": "Link", "us_bank_account": "Bank account"}


def describe_method(details: dict[str, Any] | None) -> str | None:
    """`Visa ending 4242` from a charge's `payment_method_details`; None when it says nothing."""
    if not details:
        return None
    kind = str(details.get("type") or "")
    inner = details.get(kind) or {}
    last4 = inner.get("last4")
    if kind == "card":
        name = _BRANDS.get(str(inner.get("brand") or ""), "Card")
    elif kind == "us_bank_account":
        name = str(inner.get("bank_name") or _OTHERS[kind])
    else:
        name = _OTHERS.get(kind, kind.replace("_", " ").capitalize())
    return f"{name} ending {last4}" if last4 else name or None
