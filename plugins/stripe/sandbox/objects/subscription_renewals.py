"""What time does to a subscription: trials end, periods are billed, first payments and pauses run out."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.objects.billing_periods import DAY, period_end
from plugins.stripe.sandbox.objects.invoice_steps import void_invoice
from plugins.stripe.sandbox.objects.subscription_ends import end
from plugins.stripe.sandbox.objects.subscription_fields import ENDED, paused_because, with_items
from plugins.stripe.sandbox.objects.subscription_invoices import draft_renewal, let_advance
from plugins.stripe.sandbox.objects.subscription_links import default_of_customer
from plugins.stripe.sandbox.objects.subscription_schedules import schedule

# ---- renewals


def renew(call: Call, subscription_id: str) -> None:
    """A period has ended: the next one begins and is billed."""
    row = call.world.find("subscription", subscription_id)
    if row is None or row["status"] in ENDED or row["status"] == "paused":
        return
    now = call.now(row["customer"])
    if row["cancel_at"] and row["cancel_at"] <= now:
        end(call, row)
    elif row["status"] == "trialing" and not _goes_on(call, row):
        _end_trial(call, row)
    elif row["status"] == "incomplete":
        call.plan("renew_subscription", row, at=now + DAY)  # its first payment is under way at a bank
    else:
        _begin_period(call, row, now)


def _goes_on(call: Call, row: Json) -> bool:
    behavior = row["trial_settings"]["end_behavior"]["missing_payment_method"]
    sent = row["collection_method"] == "send_invoice"
    method = row["default_payment_method"] or default_of_customer(call, row["customer"])
    return bool(behavior == "create_invoice" or sent or method)


def _end_trial(call: Call, row: Json) -> None:
    """Nobody gave a method in time, and the subscription is to be paused or to end then."""
    if row["trial_settings"]["end_behavior"]["missing_payment_method"] == "cancel":
        end(call, row, None)
        return
    with call.changing(row):
        row |= paused_because("trial_end_without_payment_method", call.now(row["customer"]))
    call.emit("customer.subscription.paused", row)
    call.emit("customer.subscription.updated", row, {"status": "trialing"})


def _begin_period(call: Call, row: Json, now: int) -> None:
    since = min(item["current_period_start"] for item in row["items"]["data"])
    with call.changing(row, "customer.subscription.updated"):
        begun = _move_on(row, now)
        if row["status"] == "trialing":
            row["status"] = "active"
        invoice = draft_renewal(call, row, begun, since=since)
    schedule(call, row)
    let_advance(call, row, invoice)


def _move_on(row: Json, now: int) -> list[Json]:
    """Begin the next period of every item whose last one is over; returns these."""
    items = [dict(item) for item in row["items"]["data"]]
    over = [item for item in items if item["current_period_end"] <= now]
    for item in over:
        start = item["current_period_end"]
        ends = period_end(row["billing_cycle_anchor"], start, item["price"]["recurring"])
        item |= {"current_period_start": start, "current_period_end": ends}
    row |= with_items(row["id"], items)
    return over


# ---- what runs out


def expire(call: Call, subscription_id: str) -> None:
    """Nobody made the first payment in time: it is over, and its invoice void."""
    row = call.world.find("subscription", subscription_id)
    if row is None or row["status"] != "incomplete":
        return
    invoice = call.world.get("invoice", row["latest_invoice"])
    intent = call.world.find("payment_intent", call.world.note(invoice["id"]).get("payment_intent"))
    if intent is not None and intent["status"] == "processing":
        return
    call.world.forget_jobs(row["id"])
    with call.changing(row, "customer.subscription.updated"):
        row |= {"status": "incomplete_expired", "ended_at": call.now(row["customer"])}
    if invoice["status"] == "open":
        void_invoice(call, invoice)


def collect_again(call: Call, subscription_id: str) -> None:
    """The day has come until which collection was paused."""
    row = call.world.find("subscription", subscription_id)
    if row is not None and row["status"] not in ENDED:
        with call.changing(row, "customer.subscription.updated"):
            row["pause_collection"] = None
