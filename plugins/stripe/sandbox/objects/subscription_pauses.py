"""Subscriptions that are paused as a whole, and how they run again."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import ApiError, Json, missing_object, not_built
from plugins.stripe.sandbox.objects.billing_periods import period_end
from plugins.stripe.sandbox.objects.invoice_steps import collect_automatically, void_invoice
from plugins.stripe.sandbox.objects.subscription_dunning import run_again
from plugins.stripe.sandbox.objects.subscription_fields import ENDED, paused_because, with_items
from plugins.stripe.sandbox.objects.subscription_invoices import bill_now, collect_or_leave
from plugins.stripe.sandbox.objects.subscription_links import default_method
from plugins.stripe.sandbox.objects.subscription_prorations import add_proration
from plugins.stripe.sandbox.objects.subscription_schedules import FIRST_PAYMENT_SECONDS

_UNCHANGED = "billing_cycle_anchor discount discounts subscription_items trial_end trial_from_plan".split()
"""What a resumption that waits for its payment changes nothing of."""


@handles("POST /v1/subscriptions/{subscription}/pause")
def pause(call: Call) -> Json:
    """Stop a subscription until somebody resumes it; the time it does not use is credited."""
    row = call.world.get("subscription", call.ids[0])
    if row["status"] not in ("active", "trialing", "past_due"):
        raise ApiError(400, f"You cannot pause a subscription whose status is {row['status']}.")
    if call.params.get("invoicing_behavior") == "invoice":
        raise not_built("`invoicing_behavior=invoice` when a subscription is paused")
    before, now = {"status": row["status"]}, call.now(row["customer"])
    _credit_unused(call, row, now)
    with call.changing(row):
        row |= paused_because("pause_requested", now)
    call.emit("customer.subscription.paused", row)
    call.emit("customer.subscription.updated", row, before)
    return row


def _credit_unused(call: Call, row: Json, now: int) -> None:
    since = (call.params.get("bill_for") or {}).get("unused_time_from") or {"type": "now"}
    if since["type"] == "item_current_period_start":
        raise not_built("`bill_for[unused_time_from][type]=item_current_period_start`")
    if since["type"] == "now" and row["status"] != "trialing":
        for item in row["items"]["data"]:
            add_proration(call, row, item, now, credit=True)


@handles("POST /v1/subscriptions/{subscription}/resume")
def resume(call: Call) -> Json:
    """Let a paused subscription run again: with a new period, or where it is in the old one."""
    row = call.world.get("subscription", call.ids[0])
    if row["status"] in ENDED:
        raise missing_object("subscription", row["id"])
    if row["status"] != "paused":
        raise ApiError(400, "You can only resume a subscription whose status is paused.")
    anchor = call.params.get("billing_cycle_anchor") or {"type": "now"}
    if anchor["type"] == "unchanged":
        _go_on(call, row)
    else:
        _begin_anew(call, row)
    return row


def _go_on(call: Call, row: Json) -> None:
    now = call.now(row["customer"])
    _restart_items(row, row["billing_cycle_anchor"], now, keep_start=True)
    if call.params.get("proration_behavior") != "none":
        for item in row["items"]["data"]:
            add_proration(call, row, item, now)
    run_again(call, row)


def _restart_items(row: Json, anchor: int, now: int, *, keep_start: bool) -> None:
    items = [dict(item) for item in row["items"]["data"]]
    for item in items:
        recurring = item["price"]["recurring"]
        while keep_start and item["current_period_end"] <= now:
            start = item["current_period_end"]
            ends = period_end(anchor, start, recurring)
            item |= {"current_period_start": start, "current_period_end": ends}
        if not keep_start:
            item |= {"current_period_start": now, "current_period_end": period_end(anchor, now, recurring)}
    row |= with_items(row["id"], items)


def _begin_anew(call: Call, row: Json) -> None:
    """Bill a period from now on. Without a method to charge the subscription waits for 23 hours."""
    now = call.now(row["customer"])
    expire_resumption(call, row["id"])
    call.world.note(row["id"])["resuming"] = True
    with call.changing(row):
        row["billing_cycle_anchor"] = now
        _restart_items(row, now, now, keep_start=False)
    invoice = bill_now(call, row, row["items"]["data"])
    if invoice["status"] != "open":
        return
    method = default_method(call, invoice)
    if method and call.params.get("payment_behavior") != "resume_on_payment_success":
        run_again(call, row)
        collect_automatically(call, invoice["id"])
        return
    call.world.unplan("collect_invoice", invoice["id"])
    if method:
        collect_or_leave(call, invoice)
    if row["status"] == "paused":
        _wait(call, row, now + FIRST_PAYMENT_SECONDS)


def _wait(call: Call, row: Json, until: int) -> None:
    with call.changing(row, "customer.subscription.updated"):
        row["pending_update"] = dict.fromkeys(_UNCHANGED) | {"expires_at": until}
    call.plan("expire_resumption", row, at=until)


def expire_resumption(call: Call, subscription_id: str) -> None:
    """Nobody paid for the resumption, or it begins once more: it stays paused, and that invoice is void."""
    row = call.world.find("subscription", subscription_id)
    if row is None or not row["pending_update"]:
        return
    call.world.unplan("expire_resumption", row["id"])
    call.world.note(row["id"]).pop("resuming", None)
    with call.changing(row):
        row["pending_update"] = None
    invoice = call.world.get("invoice", row["latest_invoice"])
    if invoice["status"] == "open":
        void_invoice(call, invoice)
    call.emit("customer.subscription.pending_update_expired", row)
