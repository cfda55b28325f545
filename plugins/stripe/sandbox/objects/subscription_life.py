"""How a subscription is made and changed. What time does to it is in `subscription_renewals`."""

from __future__ import annotations

from collections.abc import Sequence

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.errors import ApiError, Json, missing_param, not_built
from plugins.stripe.sandbox.objects.billing_periods import DAY, period_end
from plugins.stripe.sandbox.objects.customers import require_customer
from plugins.stripe.sandbox.objects.invoice_steps import collect_automatically
from plugins.stripe.sandbox.objects.prices import add_price
from plugins.stripe.sandbox.objects.subscription_ends import reason_given
from plugins.stripe.sandbox.objects.subscription_fields import ENDED, fresh, new_item, plan_of, with_items
from plugins.stripe.sandbox.objects.subscription_invoices import bill, bill_now, collect_first
from plugins.stripe.sandbox.objects.subscription_prorations import prorate
from plugins.stripe.sandbox.objects.subscription_renewals import renew
from plugins.stripe.sandbox.objects.subscription_schedules import schedule
from plugins.stripe.sandbox.store.ids import new_id

_PLAIN = ("collection_method", "days_until_due", "default_payment_method", "description")
_NOT_BUILT = (
    "add_invoice_items",
    "automatic_tax",
    "backdate_start_date",
    "billing_cycle_anchor",
    "billing_thresholds",
    "discounts",
    "trial_from_plan",
)


@handles("POST /v1/subscriptions")
def create(call: Call) -> Json:
    """Make a subscription with its first invoice, which a charge collects where there is a method."""
    _refuse_not_built(call)
    customer = require_customer(call, call.params.get("customer") or "")
    given = call.params.get("items") or []
    if not given:
        raise missing_param("items")
    prices = [_price_for(call, entry) for entry in given]
    now = call.now(customer["id"])
    subscription = _add(call, customer, list(zip(prices, given, strict=True)), now)
    call.emit("customer.subscription.created", subscription)
    bill(call, subscription, customer)
    schedule(call, subscription)
    if call.params.get("payment_behavior") != "default_incomplete":
        collect_first(call, subscription)
    return subscription


def _refuse_not_built(call: Call) -> None:
    for name in _NOT_BUILT:
        if call.params.get(name):
            raise not_built(f"`{name}` on subscriptions")
    if call.params.get("payment_behavior") in ("error_if_incomplete", "pending_if_incomplete"):
        raise not_built(f"`payment_behavior={call.params['payment_behavior']}`")


def _add(call: Call, customer: Json, wanted: Sequence[tuple[Json, Json]], now: int) -> Json:
    subscription_id, trial_end = new_id("subscription"), _trial_end(call, now)
    anchor = trial_end or now
    fields = fresh(call, wanted[0][0]) | {"id": subscription_id, "customer": customer["id"]}
    fields |= {"billing_cycle_anchor": anchor, "start_date": now, "test_clock": customer["test_clock"]}
    items = [
        new_item(
            subscription_id,
            price,
            quantity=entry.get("quantity", 1),
            now=now,
            anchor=anchor,
        )
        for price, entry in wanted
    ]
    fields |= with_items(subscription_id, items)
    assign(fields, call.params, _PLAIN)
    assign_settings(fields, call.params)
    fields |= _first_state(fields, now, trial_end)
    row = call.world.add("subscription", fields, created=now)
    plan_end(call, row)
    return row


def _trial_end(call: Call, now: int) -> int | None:
    """When the trial that was asked for ends, or None."""
    if days := call.params.get("trial_period_days"):
        return now + int(days) * DAY
    moment = call.params.get("trial_end")
    return moment if isinstance(moment, int) and moment > now else None


def _first_state(fields: Json, now: int, trial_end: int | None) -> Json:
    if trial_end:
        return {"status": "trialing", "trial_start": now, "trial_end": trial_end}
    sent = fields["collection_method"] == "send_invoice"
    return {"status": "active" if sent else "incomplete"}


def _price_for(call: Call, entry: Json) -> Json:
    if data := entry.get("price_data"):
        return add_price(call, data, hidden=True)
    price_id = entry.get("price") or entry.get("plan")
    if not price_id:
        raise missing_param("items[0][price]")
    price = call.world.get("price", price_id, param="items[0][price]", status=400)
    if price["type"] != "recurring":
        raise ApiError(
            400,
            "The price specified is set to `type=one_time` but this field only accepts prices with "
            "`type=recurring`.",
            param="items[0][price]",
        )
    return price


@handles("POST /v1/subscriptions/{subscription_exposed_id}")
def update(call: Call) -> Json:
    """Change items, labels, the end of a trial or of all, or whether money is collected."""
    _refuse_not_built(call)
    row = call.world.get("subscription", call.ids[0])
    if row["status"] in ENDED and call.params.keys() - {"metadata", "cancellation_details"}:
        raise ApiError(400, "A canceled subscription can only update its cancellation_details and metadata.")
    invoice = None
    with call.changing(row, "customer.subscription.updated"):
        assign(row, call.params, _PLAIN)
        assign_settings(row, call.params)
        if call.params.get("items"):
            invoice = _change_items(call, row, call.params["items"])
        _pause_collection(call, row)
        _move_trial(call, row)
        plan_end(call, row)
    if call.params.keys() & {"items", "trial_end"} and row["status"] not in ("paused", *ENDED):
        schedule(call, row)
    if invoice and call.params.get("payment_behavior") == "default_incomplete":
        call.world.unplan("collect_invoice", invoice["id"])
    elif invoice:
        collect_automatically(call, invoice["id"])
    if call.params.get("trial_end") == "now" and row["status"] == "trialing":
        renew(call, row["id"])
    return row


def _pause_collection(call: Call, row: Json) -> None:
    if "pause_collection" not in call.params:
        return
    given = call.params["pause_collection"]
    row["pause_collection"] = {"resumes_at": None, **given} if given else None
    call.world.unplan("resume_collection", row["id"])
    if given and given.get("resumes_at"):
        call.plan("resume_collection", row, at=given["resumes_at"])


def _move_trial(call: Call, row: Json) -> None:
    """Let a trial end on another day; `now` ends it with this call."""
    given, now = call.params.get("trial_end"), call.now(row["customer"])
    if not given or row["status"] != "trialing":
        return
    moment = now if given == "now" else int(given)
    items = [item | {"current_period_end": moment} for item in row["items"]["data"]]
    row |= {"trial_end": moment, "billing_cycle_anchor": moment, **with_items(row["id"], items)}


def _change_items(call: Call, row: Json, given: Sequence[Json]) -> Json | None:
    """Change items with what that costs or gives back; the invoice, where it is billed at once."""
    now = call.params.get("proration_date") or call.now(row["customer"])
    old = row["items"]["data"]
    new = _changed(call, row, given, now)
    billed = row["status"] in ("active", "past_due")
    begun = [item for item in new if billed and _begins(item, old)]
    if begun:
        row["billing_cycle_anchor"] = now
    row |= with_items(row["id"], new)
    behavior = call.params.get("proration_behavior") or "create_prorations"
    made = billed and behavior != "none" and prorate(call, row, old, now, whole=begun)
    return bill_now(call, row, begun) if begun or (made and behavior == "always_invoice") else None


def _begins(item: Json, old: Sequence[Json]) -> bool:
    """Whether an item begins a period of its own, because it renews unlike what was there."""
    before = next((was for was in old if was["id"] == item["id"]), old[0])
    return _rhythm(item["price"]) != _rhythm(before["price"])


def _changed(call: Call, row: Json, given: Sequence[Json], now: int) -> list[Json]:
    items = {item["id"]: dict(item) for item in row["items"]["data"]}
    for entry in given:
        if entry.get("id") not in items:
            item = _new_beside(call, row, entry, now)
            items[item["id"]] = item
        elif entry.get("deleted"):
            del items[entry["id"]]
        else:
            item = items[entry["id"]]
            item["quantity"] = entry.get("quantity", item["quantity"])
            if entry.get("price"):
                _change_price(item, _price_for(call, entry), row, now)
    return list(items.values())


def _new_beside(call: Call, row: Json, entry: Json, now: int) -> Json:
    """A new item, in the period that the first one is in where both renew alike."""
    price, first = _price_for(call, entry), row["items"]["data"][0]
    item = new_item(
        row["id"], price, quantity=entry.get("quantity", 1), now=now, anchor=row["billing_cycle_anchor"]
    )
    if _rhythm(price) == _rhythm(first["price"]):
        item |= {name: first[name] for name in ("current_period_start", "current_period_end")}
    return item


def _change_price(item: Json, price: Json, row: Json, now: int) -> None:
    """Another price; one with another interval begins a period now, except in a trial."""
    anew = _rhythm(price) != _rhythm(item["price"]) and row["status"] != "trialing"
    item |= {"price": price, "plan": plan_of(price)}
    if anew:
        ends = period_end(now, now, price["recurring"])
        item |= {"current_period_start": now, "current_period_end": ends}


def _rhythm(price: Json) -> tuple[str, int]:
    return price["recurring"]["interval"], price["recurring"]["interval_count"]


def assign_settings(row: Json, params: Json) -> None:
    """Copy the settings of payments and trials, whose other fields stay."""
    for name in ("payment_settings", "trial_settings"):
        if params.get(name):
            row[name] = row[name] | {k: v for k, v in params[name].items() if k in row[name]}


def plan_end(call: Call, row: Json) -> None:
    """Plan the end that was asked for, or forget it."""
    if "cancel_at_period_end" not in call.params and "cancel_at" not in call.params:
        return
    at_end = bool(call.params.get("cancel_at_period_end"))
    if not at_end and "cancel_at" not in call.params and not row["cancel_at_period_end"]:
        return  # a day that was named is taken back by its own parameter
    moment = _end_of(row, "min_period_end" if at_end else call.params.get("cancel_at") or None)
    row |= {
        "cancel_at": moment,
        "cancel_at_period_end": at_end,
        "canceled_at": call.now(row["customer"]) if moment else None,
        "cancellation_details": reason_given("cancellation_requested" if moment else None),
    }
    call.world.unplan("end_subscription", row["id"])
    if moment:
        call.plan("end_subscription", row, at=moment)


def _end_of(row: Json, wanted: str | int | None) -> int | None:
    if not isinstance(wanted, str):
        return wanted
    ends = [int(item["current_period_end"]) for item in row["items"]["data"]]
    return max(ends) if wanted == "max_period_end" else min(ends)
