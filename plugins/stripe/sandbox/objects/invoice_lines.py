"""Lines of invoices, the invoice items behind them, and the totals they add up to."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from plugins.stripe.sandbox.calls import Call, handles, merged_metadata
from plugins.stripe.sandbox.errors import ApiError, Json, missing_object, missing_param
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.objects.invoice_totals import item_of, refresh_totals
from plugins.stripe.sandbox.objects.prices import add_price, amounts_of
from plugins.stripe.sandbox.objects.products import add_product

MAX_LINES = 250


# ---- items


def add_item(call: Call, given: Json, *, customer: Json, invoice: Json | None, currency: str) -> Json:
    """Store an invoice item: an amount, an inline price, or a price that exists."""
    price, quantity = _price_for(call, given, currency)
    amount = given["amount"] if given.get("amount") is not None else amount_of(price, quantity)
    now = call.now(customer["id"])
    item = call.world.add(
        "invoiceitem",
        {
            "amount": amount,
            "currency": currency,
            "customer": customer["id"],
            "customer_account": None,
            "date": now,
            "description": given.get("description") or _name_of(call, price, given),
            "discountable": given.get("discountable", amount >= 0),
            "discounts": [],
            "frozen_fields": [],
            "invoice": invoice["id"] if invoice else None,
            "invoicing_rules": [],
            "metadata": {k: v for k, v in (given.get("metadata") or {}).items() if v != ""},
            "parent": None,
            "period": given.get("period") or {"start": now, "end": now},
            "pricing": pricing_of(price),
            "proration": False,
            "quantity": int(quantity),
            "quantity_decimal": _plain(quantity),
            "tax_rates": [_tax_rate(call, t) for t in given.get("tax_rates") or []],
            "test_clock": customer["test_clock"],
        },
    )
    del item["created"]
    if given.get("tax_amounts"):
        call.world.note(item["id"])["tax_amounts"] = given["tax_amounts"]
    return item


def _tax_rate(call: Call, rate_id: str) -> Json:
    return call.world.get("tax_rate", rate_id, param="tax_rates", status=400)


def _price_for(call: Call, given: Json, currency: str) -> tuple[Json, Decimal]:
    """The price of a line and its quantity. A bare amount gets a hidden price and product of its own."""
    quantity = Decimal(given.get("quantity_decimal") or given.get("quantity", 1))
    if price_id := (given.get("pricing") or {}).get("price"):
        price = call.world.get("price", price_id, param="pricing[price]", status=400)
        if price["type"] == "recurring":
            raise ApiError(
                400,
                "The price specified is set to `type=recurring` but this field only accepts prices with "
                "`type=one_time`.",
                param="pricing[price]",
            )
        return price, quantity
    if data := given.get("price_data"):
        return _inline_price(call, data), quantity
    exact = given.get("unit_amount_decimal")
    if given.get("amount") is None and exact is None:
        raise missing_param("amount")
    product = add_product(call, {"name": given.get("description") or "Invoice item"}, hidden=True)
    unit = {"unit_amount_decimal": exact} if exact is not None else {"unit_amount": given["amount"]}
    return add_price(call, {"currency": currency, "product": product["id"], **unit}, hidden=True), quantity


def _inline_price(call: Call, data: Json) -> Json:
    if product_id := data.get("product"):
        product = call.world.get("product", product_id, param="price_data[product]", status=400)
    elif details := data.get("product_data"):
        product = add_product(call, details, hidden=True)
    else:
        raise missing_param("price_data[product]")
    if amounts_of(data)[1] is None:
        raise missing_param("price_data[unit_amount]")
    return add_price(call, {**data, "product": product["id"]}, hidden=True)


def _name_of(call: Call, price: Json, given: Json) -> str | None:
    if given.get("amount") is not None and not given.get("price_data") and not given.get("pricing"):
        return None
    product = call.world.find("product", price["product"])
    return product["name"] if product else None


def amount_of(price: Json, quantity: Decimal | int) -> int:
    """A price so many times, in whole minor units; tiers and metered use cost nothing here."""
    exact = Decimal(price["unit_amount_decimal"] or 0) * quantity
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def pricing_of(price: Json) -> Json:
    """How items and lines name their price."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def _plain(quantity: Decimal) -> str:
    return format(quantity.normalize(), "f")


# ---- lines


def add_line(call: Call, invoice: Json, item: Json) -> Json:
    """Put an item on an invoice."""
    table = call.world.table("line_item")
    if len(table.where("invoice", invoice["id"])) >= MAX_LINES:
        raise ApiError(400, f"Invoices can have at most {MAX_LINES} line items.", param="lines")
    item["invoice"] = invoice["id"]
    call.world.touched(item)
    line = call.world.add("line_item", {"invoice": invoice["id"]} | _line_fields(item))
    del line["created"]
    call.world.note(item["id"])["line"] = line["id"]
    return line


def _line_fields(item: Json) -> Json:
    return {
        "amount": item["amount"],
        "currency": item["currency"],
        "description": item["description"],
        "discount_amounts": [],
        "discountable": item["discountable"],
        "discounts": [],
        "metadata": dict(item["metadata"]),
        "parent": _line_parent(item),
        "period": dict(item["period"]),
        "pretax_credit_amounts": [],
        "pricing": item["pricing"],
        "quantity": item["quantity"],
        "quantity_decimal": item["quantity_decimal"],
        "subtotal": item["amount"],
        "taxes": [],
    }


def _line_parent(item: Json) -> Json:
    """What a line comes from; that of a proration also names its subscription."""
    made_by = (item["parent"] or {}).get("subscription_details")
    kind = "subscription_item_details" if made_by else "invoice_item_details"
    details = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": None},
        **(made_by or {"subscription": None}),
    }
    empty: Json = {"invoice_item_details": None, "subscription_item_details": None}
    return empty | {kind: details, "type": kind}


def update_item(call: Call, item: Json, given: Json) -> None:
    """Change an item of a draft, and the line that shows it."""
    with call.changing(item):
        _change_amount(call, item, given)
        for name in ("description", "discountable"):
            if name in given:
                item[name] = given[name]
        if given.get("period"):
            item["period"] = given["period"]
        if "metadata" in given:
            item["metadata"] = merged_metadata(item["metadata"], given["metadata"])
        if "tax_rates" in given:
            item["tax_rates"] = [_tax_rate(call, t) for t in given["tax_rates"] or []]
    if given.get("tax_amounts"):
        call.world.note(item["id"])["tax_amounts"] = given["tax_amounts"]
    line = call.world.find("line_item", call.world.note(item["id"]).get("line"))
    if line is not None:
        line |= _line_fields(item)
        call.world.touched(line)


def _change_amount(call: Call, item: Json, given: Json) -> None:
    names = ("amount", "pricing", "price_data", "quantity", "quantity_decimal", "unit_amount_decimal")
    if not any(given.get(name) is not None for name in names):
        return
    source: Json = {k: v for k, v in given.items() if v is not None}
    if not source.keys() & {"amount", "pricing", "price_data", "unit_amount_decimal"}:
        source["pricing"] = {"price": item["pricing"]["price_details"]["price"]}
    source.setdefault("quantity", item["quantity"])
    price, quantity = _price_for(call, source, item["currency"])
    amount = source["amount"] if "amount" in source else amount_of(price, quantity)
    item |= {"amount": amount, "pricing": pricing_of(price)}
    item |= {"quantity": int(quantity), "quantity_decimal": _plain(quantity)}


def remove_line(call: Call, line: Json, *, keep_item: bool) -> None:
    """Take a line off its draft; the item goes too, or becomes pending again."""
    item = item_of(call, line)
    call.world.table("line_item").remove(line["id"])
    call.world.note(item["id"]).pop("line", None)
    if keep_item:
        with call.changing(item):
            item["invoice"] = None
        return
    call.world.table("invoiceitem").remove(item["id"])
    call.emit("invoiceitem.deleted", item)


# ---- calls about lines


def editable_invoice(call: Call, invoice_id: str, *, param: str = "invoice") -> Json:
    """A draft, whose lines may change.

    Raises:
        ApiError: the invoice does not exist, or is no draft any more.
    """
    invoice = call.world.get("invoice", invoice_id, param=param)
    if invoice["status"] != "draft":
        raise ApiError(400, "This invoice is no longer editable", code="invoice_not_editable")
    return invoice


def _line(call: Call, invoice: Json, line_id: str, *, param: str) -> Json:
    line = call.world.find("line_item", line_id)
    if line is None or line["invoice"] != invoice["id"]:
        raise missing_object(
            "line item", line_id, param=param, status=400 if param != "line_item_id" else 404
        )
    return line


@handles("GET /v1/invoices/{invoice}/lines")
def list_lines(call: Call) -> Json:
    """List the lines of an invoice."""
    invoice = call.world.get("invoice", call.ids[0], param="invoice")
    return listed(call, "line_item", {"invoice": invoice["id"]})


@handles("POST /v1/invoices/{invoice}/add_lines")
def add_lines(call: Call) -> Json:
    """Put several lines on a draft."""
    invoice = editable_invoice(call, call.ids[0], param="id")
    customer = call.world.get("customer", invoice["customer"])
    with call.changing(invoice, "invoice.updated"):
        for given in call.params["lines"]:
            add_line(call, invoice, _item_for(call, given, customer, invoice))
        _merge_invoice_metadata(call, invoice)
        refresh_totals(call, invoice)
    return invoice


def _item_for(call: Call, given: Json, customer: Json, invoice: Json) -> Json:
    if item_id := given.get("invoice_item"):
        return call.world.get("invoiceitem", item_id, param="lines[invoice_item]", status=400)
    item = add_item(call, given, customer=customer, invoice=invoice, currency=invoice["currency"])
    call.emit("invoiceitem.created", item)
    return item


@handles("POST /v1/invoices/{invoice}/update_lines")
def update_lines(call: Call) -> Json:
    """Change several lines of a draft."""
    invoice = editable_invoice(call, call.ids[0], param="id")
    with call.changing(invoice, "invoice.updated"):
        for given in call.params["lines"]:
            line = _line(call, invoice, given["id"], param="lines")
            update_item(call, item_of(call, line), given)
        _merge_invoice_metadata(call, invoice)
        refresh_totals(call, invoice)
    return invoice


@handles("POST /v1/invoices/{invoice}/remove_lines")
def remove_lines(call: Call) -> Json:
    """Take several lines off a draft."""
    invoice = editable_invoice(call, call.ids[0], param="id")
    with call.changing(invoice, "invoice.updated"):
        for given in call.params["lines"]:
            line = _line(call, invoice, given["id"], param="lines")
            remove_line(call, line, keep_item=given["behavior"] == "unassign")
        _merge_invoice_metadata(call, invoice)
        refresh_totals(call, invoice)
    return invoice


def _merge_invoice_metadata(call: Call, invoice: Json) -> None:
    if "invoice_metadata" in call.params:
        invoice["metadata"] = merged_metadata(invoice["metadata"], call.params["invoice_metadata"])


@handles("POST /v1/invoices/{invoice}/lines/{line_item_id}")
def update_line(call: Call) -> Json:
    """Change one line of a draft."""
    invoice = editable_invoice(call, call.ids[0])
    line = _line(call, invoice, call.ids[1], param="line_item_id")
    with call.changing(invoice, "invoice.updated"):
        update_item(call, item_of(call, line), call.params)
        refresh_totals(call, invoice)
    return line
