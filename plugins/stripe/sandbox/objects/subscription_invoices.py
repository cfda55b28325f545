"""Invoices of a subscription: of its first period, of each renewal, and of changes billed at once."""

from __future__ import annotations

from collections.abc import Iterable

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.objects.finalizations import AUTO_SECONDS, finalize
from plugins.stripe.sandbox.objects.invoice_lines import amount_of, pricing_of
from plugins.stripe.sandbox.objects.invoice_steps import collect, void_invoice, write_off
from plugins.stripe.sandbox.objects.invoice_totals import refresh_totals
from plugins.stripe.sandbox.objects.invoices import fresh_invoice, take_pending, use_currency

_DAY = 86400


# ---- the first period


def bill(call: Call, subscription: Json, customer: Json) -> None:
    """Make the invoice of the first period. Where Stripe collects by itself, it is opened at once."""
    invoice = _draft(call, subscription, "subscription_create", subscription["items"]["data"])
    use_currency(call, customer, subscription["currency"])
    call.emit("invoice.created", invoice)
    if subscription["collection_method"] == "send_invoice":
        let_advance(call, subscription, invoice)
        return
    finalize(call, invoice)
    intent = call.world.find("payment_intent", call.world.note(invoice["id"]).get("payment_intent"))
    saved = subscription["payment_settings"]["save_default_payment_method"] == "on_subscription"
    if intent is not None and saved:
        with call.changing(intent):
            intent["setup_future_usage"] = "off_session"


def collect_first(call: Call, subscription: Json) -> None:
    """Charge the first invoice; a refusal leaves the subscription incomplete.

    Raises:
        ApiError: the customer has no method that could be charged.
    """
    invoice = call.world.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "open" and subscription["collection_method"] != "send_invoice":
        collect_or_leave(call, invoice)


def collect_or_leave(call: Call, invoice: Json) -> None:
    """Charge an invoice now; a refusal is on record and leaves it open.

    Raises:
        ApiError: there is no method that could be charged.
    """
    try:
        collect(call, invoice)
    except ApiError as error:
        if error.status != 402:
            raise


# ---- later ones


def draft_renewal(call: Call, subscription: Json, items: list[Json], *, since: int) -> Json:
    """A draft of the periods that just began, with the prorations that waited for it."""
    invoice = _draft(call, subscription, "subscription_cycle", items)
    take_pending(call, invoice, subscription["id"])
    invoice["period_start"] = since
    refresh_totals(call, invoice)
    call.emit("invoice.created", invoice)
    return invoice


def bill_now(call: Call, subscription: Json, items: Iterable[Json] = ()) -> Json:
    """Bill a change at once: what waits, and the periods of these items. The invoice is opened."""
    invoice = _draft(call, subscription, "subscription_update", items)
    take_pending(call, invoice, subscription["id"])
    refresh_totals(call, invoice)
    call.emit("invoice.created", invoice)
    finalize(call, invoice)
    return invoice


def let_advance(call: Call, subscription: Json, invoice: Json) -> None:
    """What becomes of a draft: opened after Stripe's hour, or what paused collection makes of it."""
    behavior = (subscription["pause_collection"] or {}).get("behavior")
    if behavior == "keep_as_draft" or subscription["status"] == "unpaid":
        with call.changing(invoice, "invoice.updated"):
            invoice["auto_advance"] = False
    elif behavior is None:
        at = call.now(invoice["customer"]) + AUTO_SECONDS
        invoice["automatically_finalizes_at"] = at
        call.plan("finalize_invoice", invoice, at=at)
    else:
        _close_unpaid(call, invoice, behavior)


def _close_unpaid(call: Call, invoice: Json, behavior: str) -> None:
    invoice["auto_advance"] = False
    finalize(call, invoice)
    if invoice["status"] == "open":
        (void_invoice if behavior == "void" else write_off)(call, invoice)


# ---- drafts


def _draft(call: Call, subscription: Json, reason: str, items: Iterable[Json]) -> Json:
    """The subscription's latest invoice from now on, with a line for each of these items."""
    customer = call.world.get("customer", subscription["customer"])
    now = call.now(customer["id"])
    sent = subscription["collection_method"] == "send_invoice"
    fields = fresh_invoice(call, customer, subscription["currency"]) | {
        "auto_advance": True,
        "billing_reason": reason,
        "collection_method": subscription["collection_method"],
        "due_date": now + (subscription["days_until_due"] or 0) * _DAY if sent else None,
        "parent": _parent(subscription),
    }
    invoice = call.world.add("invoice", fields, created=now)
    for item in items:
        _add_line(call, invoice, item, trial=subscription["status"] == "trialing")
    refresh_totals(call, invoice)
    with call.changing(subscription):
        subscription["latest_invoice"] = invoice["id"]
    return invoice


def _parent(subscription: Json) -> Json:
    details = {"metadata": dict(subscription["metadata"]), "subscription": subscription["id"]}
    return {"quote_details": None, "subscription_details": details, "type": "subscription_details"}


def _add_line(call: Call, invoice: Json, item: Json, *, trial: bool) -> None:
    price, product = item["price"], call.world.get("product", item["price"]["product"])
    amount = 0 if trial else amount_of(price, item["quantity"])
    words = f"Trial period for {product['name']}" if trial else f"{item['quantity']} × {product['name']}"
    line = call.world.add(
        "line_item",
        {
            "amount": amount,
            "currency": invoice["currency"],
            "description": words,
            "discount_amounts": [],
            "discountable": True,
            "discounts": [],
            "invoice": invoice["id"],
            "metadata": {},
            "parent": {
                "invoice_item_details": None,
                "subscription_item_details": _details(item),
                "type": "subscription_item_details",
            },
            "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
            "pretax_credit_amounts": [],
            "pricing": pricing_of(price),
            "quantity": item["quantity"],
            "quantity_decimal": str(item["quantity"]),
            "subtotal": amount,
            "taxes": [],
        },
    )
    del line["created"]


def _details(item: Json) -> Json:
    return {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": item["subscription"],
        "subscription_item": item["id"],
    }
