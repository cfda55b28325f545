"""Invoice items: pending for a customer's next invoice, or on a draft."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import ApiError, Json, missing_param, not_built
from plugins.stripe.sandbox.expansion import deleted
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.objects.customers import require_customer
from plugins.stripe.sandbox.objects.invoice_lines import (
    add_item,
    add_line,
    editable_invoice,
    remove_line,
    update_item,
)
from plugins.stripe.sandbox.objects.invoice_totals import refresh_totals
from plugins.stripe.sandbox.objects.invoices import use_currency


@handles("POST /v1/invoiceitems")
def create(call: Call) -> Json:
    """Make an item; with `invoice` it goes onto that draft at once."""
    params = call.params
    if params.get("subscription") or params.get("discounts"):
        raise not_built("`subscription` and `discounts` on invoice items")
    if not params.get("customer"):
        raise missing_param("customer")
    customer = require_customer(call, params["customer"])
    invoice = None
    if invoice_id := params.get("invoice"):
        call.world.get("invoice", invoice_id, param="invoice", status=400)
        invoice = editable_invoice(call, invoice_id)
        if invoice["customer"] != customer["id"]:
            raise ApiError(400, "The invoice belongs to another customer.", param="invoice")
    currency = _currency(call, customer, invoice)
    item = add_item(call, params, customer=customer, invoice=invoice, currency=currency)
    use_currency(call, customer, currency)
    if invoice is None:
        call.emit("invoiceitem.created", item)
        return item
    with call.changing(invoice, "invoice.updated"):
        add_line(call, invoice, item)
        refresh_totals(call, invoice)
    call.emit("invoiceitem.created", item)
    return item


def _currency(call: Call, customer: Json, invoice: Json | None) -> str:
    given = call.params.get("currency") or (call.params.get("price_data") or {}).get("currency")
    if price_id := (call.params.get("pricing") or {}).get("price"):
        given = call.world.get("price", price_id, param="pricing[price]", status=400)["currency"]
    currency = str(given or (invoice or customer)["currency"] or "usd").lower()
    if invoice is not None and currency != invoice["currency"]:
        raise ApiError(
            400,
            f"The currency of the invoice item ({currency}) must match the currency of the invoice "
            f"({invoice['currency']}).",
            param="currency",
        )
    return currency


@handles("GET /v1/invoiceitems/{invoiceitem}")
def retrieve(call: Call) -> Json:
    """Read an item."""
    return call.world.get("invoiceitem", call.ids[0])


@handles("POST /v1/invoiceitems/{invoiceitem}")
def update(call: Call) -> Json:
    """Change an item that is pending or on a draft."""
    item = call.world.get("invoiceitem", call.ids[0])
    invoice = _draft_of(call, item)
    if invoice is None:
        update_item(call, item, call.params)
        return item
    with call.changing(invoice, "invoice.updated"):
        update_item(call, item, call.params)
        refresh_totals(call, invoice)
    return item


def _draft_of(call: Call, item: Json) -> Json | None:
    invoice = call.world.find("invoice", item["invoice"])
    if invoice is not None and invoice["status"] != "draft":
        raise ApiError(
            400,
            "The invoice item is attached to an invoice that is no longer editable.",
            code="invoice_not_editable",
        )
    return invoice


@handles("DELETE /v1/invoiceitems/{invoiceitem}")
def delete(call: Call) -> Json:
    """Delete an item that is pending or on a draft."""
    item = call.world.get("invoiceitem", call.ids[0])
    invoice = _draft_of(call, item)
    line = call.world.find("line_item", call.world.note(item["id"]).get("line"))
    if invoice is not None and line is not None:
        with call.changing(invoice, "invoice.updated"):
            remove_line(call, line, keep_item=False)
            refresh_totals(call, invoice)
    else:
        call.world.table("invoiceitem").remove(item["id"])
        call.emit("invoiceitem.deleted", item)
    return deleted("invoiceitem", item["id"])


@handles("GET /v1/invoiceitems")
def list_(call: Call) -> Json:
    """List items by customer, invoice or whether they are pending."""
    pending = call.params.get("pending")

    def keep(row: Json) -> bool:
        return pending is None or (row["invoice"] is None) == pending

    filters = {"customer": call.params.get("customer"), "invoice": call.params.get("invoice")}
    return listed(call, "invoiceitem", filters, keep=keep)
