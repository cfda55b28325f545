"""What is planned for a subscription by its customer's clock."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.objects.billing_periods import DAY

FIRST_PAYMENT_SECONDS = 23 * 3600
"""How long a first payment, or that of a resumption, is waited for."""
_REMINDER = 3 * DAY


def schedule(call: Call, row: Json) -> None:
    """Plan the next thing that time does to a subscription."""
    call.plan("renew_subscription", row, at=min(i["current_period_end"] for i in row["items"]["data"]))
    if row["status"] == "incomplete":
        call.plan("expire_subscription", row, at=row["created"] + FIRST_PAYMENT_SECONDS)
    if row["status"] == "trialing":
        call.plan("tell_trial_end", row, at=row["trial_end"] - _REMINDER)


def tell_trial_end(call: Call, subscription_id: str) -> None:
    """Three days before a trial ends, or at once where it is shorter."""
    row = call.world.find("subscription", subscription_id)
    if row is not None and row["status"] == "trialing":
        call.emit("customer.subscription.trial_will_end", row)
