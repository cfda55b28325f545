"""What a paid or an unpaid invoice means for the subscription that it bills."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.objects.subscription_ends import end
from plugins.stripe.sandbox.objects.subscription_links import invoices_of, subscription_of
from plugins.stripe.sandbox.objects.subscription_schedules import schedule

AFTER_RETRIES = ("cancel", "past_due", "unpaid")
"""What an account may want of a subscription that nobody paid after the last retry."""
_OWED = ("open", "uncollectible")
_WAITING = ("incomplete", "past_due", "unpaid")


def note_paid(call: Call, invoice: Json) -> None:
    """The subscription that waited for this invoice is active now."""
    subscription = subscription_of(call, invoice)
    if subscription is None:
        return
    resuming = call.world.note(subscription["id"]).get("resuming")
    if resuming and subscription["latest_invoice"] == invoice["id"]:
        run_again(call, subscription)
    elif subscription["status"] in _WAITING and not _newer_is_owed(call, subscription, invoice):
        with call.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "active"
            _keep_method(call, subscription, invoice)


def _newer_is_owed(call: Call, subscription: Json, invoice: Json) -> bool:
    """Whether a later invoice failed too; then paying an old one changes nothing yet."""
    rows = invoices_of(call, subscription)
    return any(row["status"] in _OWED and row["attempted"] for row in rows[rows.index(invoice) + 1 :])


def _keep_method(call: Call, subscription: Json, invoice: Json) -> None:
    """The method that paid is the subscription's own from now on, where that was asked for."""
    intent = call.world.find("payment_intent", call.world.note(invoice["id"]).get("payment_intent"))
    wanted = subscription["payment_settings"]["save_default_payment_method"] == "on_subscription"
    if wanted and intent is not None and intent["payment_method"]:
        subscription["default_payment_method"] = intent["payment_method"]


def run_again(call: Call, subscription: Json) -> None:
    """A paused subscription is active from now on."""
    call.world.note(subscription["id"]).pop("resuming", None)
    call.world.unplan("expire_resumption", subscription["id"])
    waited, before = bool(subscription["pending_update"]), {"status": subscription["status"]}
    with call.changing(subscription):
        subscription |= {"pending_update": None, "status": "active"}
        subscription.pop("status_details", None)
    schedule(call, subscription)
    if waited:
        call.emit("customer.subscription.pending_update_applied", subscription)
    call.emit("customer.subscription.resumed", subscription)
    call.emit("customer.subscription.updated", subscription, before)


def note_owed(call: Call, invoice: Json) -> None:
    """A payment failed, waits for the customer or is late: what ran is past due."""
    subscription = subscription_of(call, invoice)
    if subscription is not None and subscription["status"] in ("active", "trialing"):
        with call.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "past_due"


def end_retries(call: Call, invoice_id: str) -> None:
    """The last retry failed: the subscription ends, is unpaid or stays, as the account wants it."""
    invoice = call.world.find("invoice", invoice_id)
    if invoice is None or invoice["status"] not in _OWED:
        return
    subscription = subscription_of(call, invoice)
    if subscription is None or subscription["status"] != "past_due":
        return
    wanted = call.world.billing["after_retries"]
    if wanted == "cancel":
        end(call, subscription, "payment_failed")
    elif wanted == "unpaid":
        with call.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "unpaid"


def note_overdue(call: Call, invoice_id: str) -> None:
    """The day until which a sent invoice was to be paid is over."""
    invoice = call.world.find("invoice", invoice_id)
    if invoice is not None and invoice["status"] == "open":
        note_owed(call, invoice)
