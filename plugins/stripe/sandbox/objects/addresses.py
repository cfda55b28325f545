"""Addresses and billing details, with every key present."""

from __future__ import annotations

from plugins.stripe.sandbox.errors import Json

_PARTS = ("city", "country", "line1", "line2", "postal_code", "state")


def address(given: Json | None) -> Json:
    """An address; what was not given is None."""
    return dict.fromkeys(_PARTS) | {k: v for k, v in (given or {}).items() if k in _PARTS}


def billing_details(given: Json | None, before: Json | None = None) -> Json:
    """Billing details: what was given over what was there."""
    old = before or {"email": None, "name": None, "phone": None, "tax_id": None}
    new = {**old, **(given or {})}
    new["address"] = address((given or {}).get("address") or (before or {}).get("address"))
    return {k: new.get(k) for k in ("address", "email", "name", "phone", "tax_id")}


def shipping(given: Json | None) -> Json | None:
    """A shipping hash, or None."""
    if not given:
        return None
    return {"address": address(given.get("address")), "name": given.get("name"), "phone": given.get("phone")}
