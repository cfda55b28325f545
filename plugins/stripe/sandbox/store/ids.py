"""Ids in Stripe's manner: a prefix that names the kind, then letters and digits."""

from __future__ import annotations

import random
import secrets
import string

PREFIXES = {
    "balance_transaction": "txn",
    "charge": "ch",
    "coupon": "",
    "credit_note": "cn",
    "credit_note_line_item": "cnli",
    "customer": "cus",
    "dispute": "du",
    "event": "evt",
    "invoice": "in",
    "invoice_payment": "inpay",
    "invoiceitem": "ii",
    "line_item": "il",
    "mandate": "mandate",
    "payment_intent": "pi",
    "payment_method": "pm",
    "payment_method_domain": "pmd",
    "payment_record": "pr",
    "price": "price",
    "product": "prod",
    "promotion_code": "promo",
    "radar.early_fraud_warning": "issfr",
    "refund": "re",
    "setup_attempt": "setatt",
    "setup_intent": "seti",
    "subscription": "sub",
    "subscription_item": "si",
    "tax_rate": "txr",
    "test_helpers.test_clock": "clock",
    "token": "tok",
    "webhook_endpoint": "we",
}
_GENERATIONS = {"charge": "3", "payment_intent": "3", "refund": "3"}
_SHORT = frozenset({"customer", "product"})
_RANDOM = random.Random()  # noqa: S311 - for ids; secrets below come from the system
_ALPHABET = string.ascii_letters + string.digits


def random_text(length: int) -> str:
    """Letters and digits that nobody can guess."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _id_text(length: int) -> str:
    return "".join(_RANDOM.choices(_ALPHABET, k=length))


def new_id(kind: str) -> str:
    """A fresh id for an object of this kind."""
    if kind == "coupon":
        return _id_text(8)
    if kind in _SHORT:
        return f"{PREFIXES[kind]}_{_id_text(14)}"
    return f"{PREFIXES[kind]}_{_GENERATIONS.get(kind, '1')}{_id_text(23)}"


def new_request_id() -> str:
    """An id for the `request-id` header."""
    return f"req_{_id_text(14)}"


def new_client_secret(object_id: str) -> str:
    """The secret that lets a browser confirm one intent."""
    return f"{object_id}_secret_{random_text(25)}"


def new_signing_secret() -> str:
    """The secret that signs deliveries to one endpoint."""
    return f"whsec_{random_text(32)}"
