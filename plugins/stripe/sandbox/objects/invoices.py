"""Invoices: draft, open, paid, void, uncollectible."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json, missing_param, not_built
from plugins.stripe.sandbox.expansion import deleted
from plugins.stripe.sandbox.listing import embedded, listed
from plugins.stripe.sandbox.objects.addresses import shipping
from plugins.stripe.sandbox.objects.customers import require_customer
from plugins.stripe.sandbox.objects.finalizations import (
    AUTO_SECONDS,
)
from plugins.stripe.sandbox.objects.invoice_lines import add_line, remove_line
from plugins.stripe.sandbox.objects.invoice_totals import lines_of, refresh_totals
from plugins.stripe.sandbox.store.ids import new_id
from plugins.stripe.sandbox.wire import copied

_PLAIN = ("auto_advance", "description", "effective_at", "footer", "number", "statement_descriptor")
_ALWAYS = frozenset({"auto_advance", "automatically_finalizes_at", "metadata"})
"""What may change once an invoice is open."""
_DAY = 86400


# ---- making and changing


_EMPTY = (
    "account_tax_ids application automatically_finalizes_at custom_fields customer_account "
    "default_payment_method default_source description due_date effective_at ending_balance footer "
    "from_invoice "
    "hosted_invoice_url invoice_pdf last_finalization_error latest_revision next_payment_attempt number "
    "on_behalf_of parent receipt_number rendering shipping_cost shipping_details statement_descriptor "
    "webhooks_delivered_at"
).split()

_ZERO = (
    "amount_due amount_overpaid amount_paid amount_remaining amount_shipping attempt_count "
    "post_payment_credit_notes_amount pre_payment_credit_notes_amount subtotal subtotal_excluding_tax total "
    "total_excluding_tax"
).split()

_LISTS = (
    "customer_tax_ids default_tax_rates discounts total_discount_amounts total_pretax_credit_amounts "
    "total_taxes"
).split()

_START: Json = {
    "account_country": "US",
    "attempted": False,
    "auto_advance": False,
    "automatic_tax": {
        "disabled_reason": None,
        "enabled": False,
        "liability": None,
        "provider": None,
        "status": None,
    },
    "billing_reason": "manual",
    "collection_method": "charge_automatically",
    "issuer": {"type": "self"},
    "metadata": {},
    "payment_settings": {
        "default_mandate": None,
        "payment_method_options": None,
        "payment_method_types": None,
    },
    "status": "draft",
    "status_transitions": {
        "finalized_at": None,
        "marked_uncollectible_at": None,
        "paid_at": None,
        "voided_at": None,
    },
}


def fresh_invoice(call: Call, customer: Json, currency: str) -> Json:
    """Every field of a new draft."""
    invoice_id, now = new_id("invoice"), call.now(customer["id"])
    base: Json = dict.fromkeys(_EMPTY) | dict.fromkeys(_ZERO, 0) | {name: [] for name in _LISTS}
    return (
        base
        | copied(_START)
        | _copied_from(customer)
        | {
            "id": invoice_id,
            "account_name": call.world.keys.display_name,
            "currency": currency,
            "lines": embedded([], f"/v1/invoices/{invoice_id}/lines"),
            "period_end": now,
            "period_start": now,
        }
    )


def _copied_from(customer: Json) -> Json:
    """What an invoice takes over from its customer."""
    names = ("address", "email", "name", "phone", "shipping", "tax_exempt")
    return {f"customer_{name}": customer[name] for name in names} | {
        "customer": customer["id"],
        "starting_balance": customer["balance"],
        "test_clock": customer["test_clock"],
    }


@handles("POST /v1/invoices")
def create(call: Call) -> Json:
    """Make a draft, with the customer's pending items if asked."""
    params = call.params
    for name in ("from_invoice", "subscription", "discounts", "shipping_cost", "application_fee_amount"):
        if params.get(name):
            raise not_built(f"`{name}` on invoices")
    if (params.get("automatic_tax") or {}).get("enabled"):
        raise not_built("automatic tax")
    if not params.get("customer"):
        raise missing_param("customer")
    customer = require_customer(call, params["customer"])
    currency = (params.get("currency") or customer["currency"] or "usd").lower()
    invoice = fresh_invoice(call, customer, currency)
    _check_due(call, invoice["collection_method"])
    call.world.add("invoice", invoice, created=call.now(customer["id"]))
    invoice = call.world.get("invoice", invoice["id"])
    _fill(call, invoice)
    if params.get("pending_invoice_items_behavior") == "include":
        take_pending(call, invoice)
    refresh_totals(call, invoice)
    if not call.sandbox.courier.is_wanted(call.world, "invoice.created"):
        invoice["webhooks_delivered_at"] = invoice["created"]
    use_currency(call, customer, currency)
    call.emit("invoice.created", invoice)
    return invoice


def use_currency(call: Call, customer: Json, currency: str) -> None:
    """A customer's first invoice or item sets the customer's currency."""
    if customer["currency"] is None:
        with call.changing(customer, "customer.updated"):
            customer["currency"] = currency


def take_pending(call: Call, invoice: Json, subscription: str | None = None) -> None:
    """Put the customer's pending items on a draft; prorations only on one of their subscription."""
    pending = [
        item
        for item in call.world.table("invoiceitem").where("customer", invoice["customer"])
        if item["invoice"] is None
        and item["currency"] == invoice["currency"]
        and (item["parent"] is None or item["parent"]["subscription_details"]["subscription"] == subscription)
    ]
    for item in pending:
        with call.changing(item):
            add_line(call, invoice, item)


def _check_due(call: Call, method: str) -> None:
    method = call.params.get("collection_method") or method
    due, days = call.params.get("due_date"), call.params.get("days_until_due")
    if method == "send_invoice" and due is None and days is None and call.ids == ():
        raise ApiError(
            400,
            "If invoice has `collection_method=send_invoice`, you must specify either `due_date` or "
            "`days_until_due`.",
            code="parameter_missing",
            param="due_date",
        )
    if method == "charge_automatically" and (due or days):
        name = "due_date" if due else "days_until_due"
        raise ApiError(400, f"`{name}` can only be set if `collection_method` is `send_invoice`.", param=name)
    if due is not None and due < call.now():
        raise ApiError(400, "Invalid due date: must be in the future.", param="due_date")


def _fill(call: Call, invoice: Json) -> None:
    params = call.params
    assign(invoice, params, _PLAIN)
    invoice["auto_advance"] = bool(invoice["auto_advance"])
    for name in ("collection_method", "default_payment_method", "custom_fields"):
        if name in params:
            invoice[name] = params[name]
    if method_id := params.get("default_payment_method"):
        call.world.get("payment_method", method_id, param="default_payment_method", status=400)
    if "due_date" in params:
        invoice["due_date"] = params["due_date"]
    if params.get("days_until_due") is not None:
        invoice["due_date"] = call.now(invoice["customer"]) + params["days_until_due"] * _DAY
    if settings := params.get("payment_settings"):
        known = {k: v for k, v in settings.items() if k in invoice["payment_settings"]}
        invoice["payment_settings"] = invoice["payment_settings"] | known
    if "default_tax_rates" in params:
        rates = params["default_tax_rates"] or []
        invoice["default_tax_rates"] = [
            call.world.get("tax_rate", r, param="default_tax_rates", status=400) for r in rates
        ]
    if "shipping_details" in params:
        invoice["shipping_details"] = shipping(params["shipping_details"])
    if "rendering" in params:
        invoice["rendering"] = _rendering(params["rendering"])
    _plan_finalization(call, invoice)


def _rendering(given: Json | None) -> Json | None:
    if not given:
        return None
    base = {"amount_tax_display": None, "pdf": None, "template": None, "template_version": None}
    return base | given


def _plan_finalization(call: Call, invoice: Json) -> None:
    call.world.unplan("finalize_invoice", invoice["id"])
    if invoice["status"] != "draft":
        return
    invoice["automatically_finalizes_at"] = None
    moment = call.params.get("automatically_finalizes_at") or call.now(invoice["customer"]) + AUTO_SECONDS
    if invoice["auto_advance"]:
        invoice["automatically_finalizes_at"] = moment
        call.plan("finalize_invoice", invoice, at=moment)


@handles("POST /v1/invoices/{invoice}")
def update(call: Call) -> Json:
    """Change a draft; of an open invoice little may change."""
    invoice = call.world.get("invoice", call.ids[0], param="invoice")
    if invoice["status"] != "draft" and (locked := [n for n in call.params if n not in _ALWAYS]):
        raise ApiError(
            400,
            "Finalized invoices can't be updated in this way",
            code="invoice_not_editable",
            param=None if len(locked) > 1 else locked[0],
        )
    _check_due(call, invoice["collection_method"])
    with call.changing(invoice, "invoice.updated"):
        _fill(call, invoice)
        if invoice["status"] == "draft":
            refresh_totals(call, invoice)
    return invoice


@handles("DELETE /v1/invoices/{invoice}")
def delete(call: Call) -> Json:
    """Delete a draft with its items."""
    invoice = call.world.get("invoice", call.ids[0], param="invoice")
    if invoice["status"] != "draft":
        raise ApiError(400, "You can only delete draft invoices.", code="invoice_not_editable")
    for line in lines_of(call.world.table("line_item"), invoice["id"]):
        remove_line(call, line, keep_item=False)
    call.world.table("invoice").remove(invoice["id"])
    call.world.unplan("finalize_invoice", invoice["id"])
    call.emit("invoice.deleted", invoice)
    return deleted("invoice", invoice["id"])


# ---- reading


@handles("GET /v1/invoices/{invoice}")
def retrieve(call: Call) -> Json:
    """Read an invoice, or what is left of a deleted draft."""
    return call.world.get("invoice", call.ids[0], param="invoice")


@handles("GET /v1/invoices")
def list_(call: Call) -> Json:
    """List invoices by customer, status or collection method."""
    if customer := call.params.get("customer"):
        require_customer(call, customer)
    filters = {name: call.params.get(name) for name in ("customer", "status", "collection_method")}
    filters["parent.subscription_details.subscription"] = call.params.get("subscription")
    return listed(call, "invoice", filters)


@handles("POST /v1/invoices/create_preview")
def create_preview(_call: Call) -> Json:
    """Previews come with subscriptions."""
    raise not_built("InvoiceService.create_preview")
