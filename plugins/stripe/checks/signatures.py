"""The signing secret check: Stripe never tells a secret again, so only a real event proves it."""

from __future__ import annotations

from datetime import datetime

from plugins.stripe.domain import keys
from portal.sdk import CheckContext, CheckResult, CheckStatus


async def check_signing_secret(context: CheckContext) -> CheckResult:
    """Its form, and whether an event signed with it has arrived."""
    verdict = keys.judge(
        "webhook_secret", {"webhook_secret": context.credentials["webhook_secret"].reveal()}, finished=True
    )
    if verdict.blocks or not context.credentials["webhook_secret"]:
        return CheckResult(
            CheckStatus.FAILED,
            verdict.message or "The signing secret is missing.",
            fix="Open the endpoint in Stripe, choose Reveal under Signing secret, and copy all of it.",
            code="STRIPE_SIGNING_SECRET_FORMAT",
        )
    proved_at = context.facts.get("event_arrived_at")
    if isinstance(proved_at, datetime):
        return CheckResult(
            CheckStatus.PASSED, f"Proved by an event that arrived on {proved_at:%-d %b %Y at %H:%M} UTC."
        )
    return CheckResult(
        CheckStatus.UNPROVED,
        "Well formed. It can only be proved by a real event.",
        fix="Carry on: it is confirmed when the first event arrives.",
        tag="Unproved",
    )
