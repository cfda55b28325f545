"""The balance and the transactions that make it up."""

from __future__ import annotations

import collections
from typing import Any

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.money import processing_fee

_PENDING_SECONDS = 2 * 86400


def add_transaction(call: Call, source: Json, *, amount: int, kind: str, fee: int = 0, **fields: Any) -> Json:
    """Book an amount for a charge, refund or dispute."""
    now = call.now()
    row = {
        "amount": amount,
        "available_on": now + _PENDING_SECONDS,
        "balance_type": "payments",
        "currency": source["currency"],
        "description": fields.get("description"),
        "exchange_rate": None,
        "fee": fee,
        "fee_details": _fee_details(fee, source["currency"]),
        "net": amount - fee,
        "reporting_category": fields.get("category", kind),
        "source": source["id"],
        "status": "pending",
        "type": kind,
    }
    made = call.world.add("balance_transaction", row, created=now)
    del made["livemode"]
    return made


def book_charge(call: Call, charge: Json, method_type: str) -> str:
    """Book a charge with its fee."""
    amount = charge["amount_captured"]
    kind = "charge" if charge["id"].startswith("ch_") else "payment"
    fee = processing_fee(amount, method_type)
    booked = add_transaction(
        call, charge, amount=amount, kind=kind, fee=fee, category="charge", description=charge["description"]
    )
    return str(booked["id"])


def _fee_details(fee: int, currency: str) -> list[Json]:
    if not fee:
        return []
    return [
        {
            "amount": fee,
            "application": None,
            "currency": currency,
            "description": "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]


@handles("GET /v1/balance")
def retrieve(call: Call) -> Json:
    """Sum up what is available and what is pending."""
    available: collections.Counter[str] = collections.Counter({"usd": 0})
    pending: collections.Counter[str] = collections.Counter({"usd": 0})
    for row in call.world.table("balance_transaction").rows.values():
        part = available if row["available_on"] <= call.now() else pending
        part[row["currency"]] += row["net"]
    return {
        "object": "balance",
        "available": _amounts(available),
        "livemode": call.world.livemode,
        "pending": _amounts(pending),
        "refund_and_dispute_prefunding": {"available": _bare(available), "pending": _bare(pending)},
    }


def _amounts(sums: collections.Counter[str]) -> list[Json]:
    return [{"amount": a, "currency": c, "source_types": {"card": a}} for c, a in sorted(sums.items())]


def _bare(sums: collections.Counter[str]) -> list[Json]:
    return [{"amount": 0, "currency": c} for c in sorted(sums)]


@handles("GET /v1/balance_transactions/{id}")
def retrieve_transaction(call: Call) -> Json:
    """Read a transaction."""
    return _current(call, call.world.get("balance_transaction", call.ids[0]))


@handles("GET /v1/balance_transactions")
def list_transactions(call: Call) -> Json:
    """List transactions."""
    filters = {k: call.params.get(k) for k in ("source", "type", "currency")}
    result = listed(call, "balance_transaction", filters)
    return result | {"data": [_current(call, row) for row in result["data"]]}


def _current(call: Call, row: Json) -> Json:
    return row | {"status": "available"} if row["available_on"] <= call.now() else row
