"""Finishing a 3-D Secure challenge: from the test page, or straight from the Stripe.js stand-in."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.objects import attempts, setup_attempts


def finish_challenge(call: Call, intent: Json, *, passed: bool) -> None:
    """The customer passed or failed.

    Raises:
        ApiError: the intent waits for no challenge, or the card is refused nevertheless.
    """
    action = intent["next_action"] or {}
    if action.get("type") not in ("use_stripe_sdk", "redirect_to_url"):
        raise ApiError(400, "This intent does not wait for authentication.")
    if intent["object"] == "setup_intent":
        if passed:
            setup_attempts.authenticated(call, intent)
        else:
            setup_attempts.authentication_failed(call, intent)
    elif passed:
        attempts.authenticated(call, intent)
    else:
        attempts.authentication_failed(call, intent)
