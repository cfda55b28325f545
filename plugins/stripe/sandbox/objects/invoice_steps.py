"""The steps of an invoice: finalize, send, void, write off, pay."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.objects.attempts import attempt
from plugins.stripe.sandbox.objects.finalizations import drop_payments, finalize
from plugins.stripe.sandbox.objects.intents import check_owner, check_type
from plugins.stripe.sandbox.objects.new_methods import method_for
from plugins.stripe.sandbox.objects.settlements import mark_paid, note_refusal
from plugins.stripe.sandbox.objects.subscription_links import default_method


@handles("POST /v1/invoices/{invoice}/finalize")
def finalize_call(call: Call) -> Json:
    """Open a draft."""
    invoice = call.world.get("invoice", call.ids[0])
    if invoice["status"] == "draft" and "auto_advance" in call.params:
        invoice["auto_advance"] = call.params["auto_advance"]
    finalize(call, invoice)
    return invoice


@handles("POST /v1/invoices/{invoice}/send")
def send(call: Call) -> Json:
    """Send an invoice; a draft is opened first."""
    invoice = call.world.get("invoice", call.ids[0])
    if invoice["status"] == "draft":
        finalize(call, invoice)
    elif invoice["status"] not in ("open", "paid", "uncollectible"):
        raise ApiError(400, "You can only send open invoices.")
    call.emit("invoice.sent", invoice)
    return invoice


@handles("POST /v1/invoices/{invoice}/void")
def void(call: Call) -> Json:
    """Declare an open invoice void; nothing can pay it any more."""
    invoice = call.world.get("invoice", call.ids[0])
    require_open(invoice)
    intent = call.world.find("payment_intent", call.world.note(invoice["id"]).get("payment_intent"))
    if intent is not None and intent["status"] == "processing":
        raise ApiError(400, "You cannot void this invoice while a payment for it is processing.")
    void_invoice(call, invoice)
    return invoice


def void_invoice(call: Call, invoice: Json) -> None:
    """Close an open invoice as void, with whatever could still pay it."""
    drop_payments(call, invoice, "void_invoice")
    _close(call, invoice, "void", stamp="voided_at", event="invoice.voided")


@handles("POST /v1/invoices/{invoice}/mark_uncollectible")
def mark_uncollectible(call: Call) -> Json:
    """Write an open invoice off; it can still be paid."""
    invoice = call.world.get("invoice", call.ids[0])
    if invoice["status"] == "uncollectible":
        raise ApiError(400, "This invoice is already marked as uncollectible.")
    require_open(invoice)
    write_off(call, invoice)
    return invoice


def write_off(call: Call, invoice: Json) -> None:
    """Close an open invoice as uncollectible."""
    invoice["status_details"] = {"uncollectible": {"reason": "user_forgiven"}}
    _close(
        call,
        invoice,
        "uncollectible",
        stamp="marked_uncollectible_at",
        event="invoice.marked_uncollectible",
    )


def require_open(invoice: Json) -> None:
    """Refuse what can only be done to an invoice that is owed."""
    if invoice["status"] not in ("open", "uncollectible"):
        raise ApiError(400, "You can only pass in open invoices. This invoice isn't open.")


def _close(call: Call, invoice: Json, status: str, *, stamp: str, event: str) -> None:
    before = {"status": invoice["status"]}
    with call.changing(invoice):
        moment = call.now(invoice["customer"])
        invoice |= {"auto_advance": False, "next_payment_attempt": None, "status": status}
        invoice["status_transitions"] = invoice["status_transitions"] | {stamp: moment}
    call.emit(event, invoice)
    call.emit("invoice.updated", invoice, before)


@handles("POST /v1/invoices/{invoice}/pay")
def pay(call: Call) -> Json:
    """Collect an invoice with a saved method, or record that it was paid elsewhere."""
    invoice = call.world.get("invoice", call.ids[0])
    if invoice["status"] == "draft":
        finalize(call, invoice)
        if invoice["status"] == "paid":
            return invoice
    if invoice["status"] == "paid":
        raise ApiError(400, "Invoice is already paid")
    if invoice["status"] == "void":
        raise ApiError(400, "This invoice has been voided and cannot be paid.")
    if call.params.get("paid_out_of_band"):
        drop_payments(call, invoice, "automatic", quiet=True)
        mark_paid(call, invoice, amount_paid=invoice["amount_due"], attempt_count=0, attempted=False)
        return invoice
    collect(call, invoice, call.params.get("payment_method"))
    return invoice


def collect_automatically(call: Call, invoice_id: str) -> None:
    """Charge an open invoice as Stripe does by itself. Without a method that fails as well."""
    invoice = call.world.find("invoice", invoice_id)
    if invoice is None or invoice["status"] != "open":
        return
    call.world.unplan("collect_invoice", invoice_id)
    call.world.note(invoice_id)["automatic_attempt"] = True
    try:
        collect(call, invoice)
    except ApiError as error:
        # A refusal is on record as events and on the invoice; nobody waits for this answer.
        if error.code == "resource_missing":
            note_refusal(call, invoice, hopeless=False)


def collect(call: Call, invoice: Json, method_id: str | None = None) -> None:
    """Charge the method named, or the default one.

    Raises:
        ApiError: there is none, it was refused, or the customer must act.
    """
    method_id = method_id or default_method(call, invoice)
    if method_id is None:
        raise ApiError(
            400,
            "This customer has no attached payment source or default payment method. Please consider adding "
            "a default "
            "payment method. For more information, visit "
            "https://stripe.com/docs/billing/payment-methods/setting#payment-method-priority.",
            code="resource_missing",
        )
    intent = call.world.get("payment_intent", call.world.note(invoice["id"])["payment_intent"])
    if intent["status"] == "processing":
        raise ApiError(400, "This invoice has a payment in processing, so it cannot be paid now.")
    method = method_for(call, method_id)
    check_owner(call, method, invoice["customer"])
    check_type(intent, method)
    # Invoices ask for authentication instead of failing, also off-session: the customer is sent a link.
    call.world.note(intent["id"]).update(off_session=None, return_url=None, use_stripe_sdk=None)
    attempt(call, intent, method)
    if intent["status"] == "requires_action":
        raise ApiError(
            402,
            "Payment for this invoice requires additional user action before it can be completed "
            "successfully. "
            "Payment can be completed using the PaymentIntent associated with the invoice. For more details "
            "see: "
            "https://stripe.com/docs/billing/subscriptions/overview#requires-action",
            code="invoice_payment_intent_requires_action",
            kind="card_error",
        )
