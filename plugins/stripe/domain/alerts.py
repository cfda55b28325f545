"""What a person should look at in Stripe, in plain words. Pure."""

from __future__ import annotations

from typing import Any

from portal.money import Money

Raw = dict[str, Any]
_FRAUDS = {
    "card_never_received": "the card never reached its owner",
    "fraudulent_card_application": "the card was applied for in somebody else's name",
    "made_with_counterfeit_card": "the card was counterfeit",
    "made_with_lost_card": "the card was lost",
    "made_with_stolen_card": "the card was stolen",
    "unauthorized_use_of_card": "its owner says that somebody else used the card",
}


def describe_fraud_warning(warning: Raw) -> str:
    """What the card's bank reported and what to do, from an early fraud warning."""
    why = _FRAUDS.get(str(warning.get("fraud_type")), "the card's bank gives no reason")
    todo = (
        "Refund it in full to avoid a dispute."
        if warning.get("actionable")
        else "It is too late to refund it."
    )
    return f"A payment may be fraud: {why}. {todo}"


def describe_failed_payout(payout: Raw) -> str:
    """Which money did not reach the bank account, and why."""
    amount = Money(int(payout["amount"]), str(payout["currency"])).format()
    why = str(payout.get("failure_message") or payout.get("failure_code") or "Stripe gives no reason.")
    return f"A payout of {amount} did not reach your bank account: {why}"


def describe_failed_finalization(number: str | None, failure: str) -> str:
    """Which invoice could not be finalised, and why."""
    named = f"Invoice {number}" if number else "An invoice"
    return f"{named} could not be finalised in Stripe: {failure}"
