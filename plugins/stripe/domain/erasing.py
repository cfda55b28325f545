"""Stripe's objects without what tells of a person. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

PERSONAL: Final = frozenset(
    {
        "account_holder_name",
        "account_number",
        "address",
        "billing_details",
        "client_ip",
        "collected_information",
        "custom_fields",
        "customer_address",
        "customer_details",
        "customer_email",
        "customer_name",
        "customer_phone",
        "customer_shipping",
        "customer_tax_ids",
        "description",
        "email",
        "evidence",
        "exp_month",
        "exp_year",
        "fingerprint",
        "hosted_invoice_url",
        "iban",
        "invoice_pdf",
        "invoice_settings",
        "ip_address",
        "last4",
        "name",
        "owner",
        "payer_email",
        "payer_name",
        "phone",
        "preferred_locales",
        "receipt_email",
        "receipt_url",
        "routing_number",
        "shipping",
        "tax_ids",
        "user_agent",
        "username",
        "verified_email",
        "verified_name",
    }
)
"""Fields whose values are taken out, wherever they stand."""
OURS: Final = "portal_"
"""How the portal's own metadata begin; people write whatever they like into others."""


def without_personal(value: Any) -> Any:
    """The same JSON value with None in the place of what tells of a person. Ids and amounts stay."""
    if isinstance(value, list):
        return [without_personal(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {key: _cleaned(key, entry) for key, entry in value.items()}


def erased_body(body: bytes) -> bytes:
    """An event's body, cleaned; empty when it is no JSON."""
    try:
        return json.dumps(without_personal(json.loads(body)), separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return b""


def _cleaned(key: str, value: Any) -> Any:
    if key in PERSONAL:
        return None
    if key == "metadata" and isinstance(value, dict):
        return {name: entry for name, entry in value.items() if name.startswith(OURS)}
    return without_personal(value)
