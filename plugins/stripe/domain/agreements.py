"""What a setup intent says about how a subscription is to be paid. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

METHOD_KEY = "portal_method_of"
"""In the metadata of a setup intent: the subscription that is to be charged to its method."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A customer's word."""

    subscription: str
    customer: str
    method: str
    agreed_at: datetime


def agreement_in(raw: Mapping[str, Any]) -> Agreement | None:
    """The word that a setup intent stands for; None: it did not succeed, or is about something else.

    A customer may have had the form open for long: what counts is when they sent it.
    """
    subscription = (raw.get("metadata") or {}).get(METHOD_KEY)
    customer, method = _id(raw.get("customer")), _id(raw.get("payment_method"))
    if raw.get("status") != "succeeded" or not (subscription and customer and method):
        return None
    attempt = raw.get("latest_attempt")
    sent = attempt["created"] if isinstance(attempt, dict) else raw["created"]
    return Agreement(str(subscription), customer, method, datetime.fromtimestamp(int(sent), UTC))


def newest(found: Iterable[Agreement | None]) -> dict[str, Agreement]:
    """By subscription, its customer's last word."""
    last: dict[str, Agreement] = {}
    for one in sorted((one for one in found if one), key=lambda one: (one.agreed_at, one.method)):
        last[one.subscription] = one
    return last


def _id(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""
