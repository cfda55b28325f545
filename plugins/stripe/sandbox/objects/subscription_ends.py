"""How a subscription ends: asked for, planned, with its customer, or because nobody paid."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import ApiError, Json, not_built
from plugins.stripe.sandbox.objects.subscription_fields import ENDED
from plugins.stripe.sandbox.objects.subscription_links import invoices_of


@handles("DELETE /v1/subscriptions/{subscription_exposed_id}")
def cancel(call: Call) -> Json:
    """End a subscription now."""
    row = call.world.get("subscription", call.ids[0])
    if row["status"] in ENDED:
        raise ApiError(404, f"No such subscription: '{row['id']}'", code="resource_missing", param="id")
    for name in ("invoice_now", "prorate"):
        if call.params.get(name):
            raise not_built(f"`{name}` when a subscription is canceled")
    end(call, row)
    return row


def end_planned(call: Call, subscription_id: str) -> None:
    """The end that was asked for has come."""
    row = call.world.find("subscription", subscription_id)
    if row is not None and row["status"] not in ENDED:
        end(call, row)


def end_all(call: Call, customer: Json) -> None:
    """End every subscription of a customer, who is being deleted."""
    for row in call.world.table("subscription").where("customer", customer["id"]):
        if row["status"] not in ENDED:
            end(call, row)


def end(call: Call, row: Json, reason: str | None = "cancellation_requested") -> None:
    """End it. What is still owed stays open, but Stripe collects nothing of it any more."""
    call.world.forget_jobs(row["id"])
    now = call.now(row["customer"])
    with call.changing(row):
        row |= {"status": "canceled", "ended_at": now, "canceled_at": row["canceled_at"] or now}
        row["cancellation_details"] = reason_given(reason)
        row["pending_update"] = None
        row.pop("status_details", None)
    call.emit("customer.subscription.deleted", row)
    _stop_collecting(call, row)


def reason_given(reason: str | None) -> Json:
    """Why a subscription ends, in Stripe's words."""
    return {"comment": None, "feedback": None, "reason": reason}


def _stop_collecting(call: Call, row: Json) -> None:
    for invoice in invoices_of(call, row):
        if invoice["status"] in ("draft", "open"):
            call.world.forget_jobs(invoice["id"])
            with call.changing(invoice, "invoice.updated"):
                stopped = ("automatically_finalizes_at", "next_payment_attempt")
                invoice |= {"auto_advance": False, **dict.fromkeys(stopped)}
