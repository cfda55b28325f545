"""What a setup intent says about how a subscription is to be paid. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

METHOD_KEY = "portal_method_of"
"""In the metadata of a setup intent: the subscription that is to be charged to its method."""


USABLE = timedelta(hours=23)
"""So long a form is given the setup intent of an earlier one: which methods it takes was decided then."""
UNSENT = ("requires_payment_method", "requires_confirmation")


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
    return Agreement(str(subscription), customer, method, _sent_at(raw))


def newest(found: Iterable[Agreement | None]) -> dict[str, Agreement]:
    """By subscription, its customer's last word."""
    last: dict[str, Agreement] = {}
    for one in sorted((one for one in found if one), key=lambda one: (one.agreed_at, one.method)):
        last[one.subscription] = one
    return last


def unsent_secret(found: Iterable[Mapping[str, Any]], subscription: str, now: datetime) -> str | None:
    """The client secret of a setup intent that was made for the subscription and is still to be sent.

    `found`: those of its customer, newest first.
    """
    for raw in found:
        made = datetime.fromtimestamp(int(raw["created"]), UTC)
        ours = (raw.get("metadata") or {}).get(METHOD_KEY) == subscription
        if ours and raw.get("status") in UNSENT and now - made < USABLE and raw.get("client_secret"):
            return str(raw["client_secret"])
    return None


def deposits_page(found: Iterable[Mapping[str, Any]], subscription: str) -> str:
    """Where the customer proves with small deposits that an account is theirs. Empty: none waits for that.

    `found`: setup intents of the customer. A method that they chose later takes the place of that account.
    """
    all_of = list(found)
    last = newest(map(agreement_in, all_of)).get(subscription)
    waiting = [
        (_sent_at(raw), str(action["hosted_verification_url"]))
        for raw in all_of
        if (raw.get("metadata") or {}).get(METHOD_KEY) == subscription
        and raw.get("status") == "requires_action"
        and (action := (raw.get("next_action") or {}).get("verify_with_microdeposits"))
    ]
    sent_at, page = max(waiting, default=(None, ""))
    return page if sent_at and (last is None or last.agreed_at < sent_at) else ""


def _sent_at(raw: Mapping[str, Any]) -> datetime:
    attempt = raw.get("latest_attempt")
    sent = attempt["created"] if isinstance(attempt, dict) else raw["created"]
    return datetime.fromtimestamp(int(sent), UTC)


def _id(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""
