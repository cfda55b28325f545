"""Customers and their saved payment methods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from plugins.stripe.domain.invoices import Raw
from plugins.stripe.domain.methods import describe_method
from plugins.stripe.gateway import reads
from plugins.stripe.gateway.client import ObjectMissing
from plugins.stripe.services.links import own_number
from plugins.stripe.services.readings.agreements import agreements_about
from plugins.stripe.services.readings.mirroring import reading_of, reading_of_gone
from portal.sdk import (
    Account,
    CustomerSeen,
    Fact,
    PaymentMethodSeen,
    Reading,
    StoredEvent,
    connection,
    current_settings,
)

CUSTOMER_KEY = "portal_customer"
PROBE_KEY = "portal_probe"
"""In the metadata of a customer that a check made to see its event arrive."""


async def read_customer(account: Account, external_id: str, events: Sequence[StoredEvent]) -> Reading:
    """The customer now; a deletion is final, so nothing fresher can be read after one."""
    if any(event.type == "customer.deleted" for event in events):
        return Reading(facts=(customer_seen({"id": external_id, "deleted": True}),))
    try:
        raw = await reads.retrieve_customer(account, current_settings(), external_id)
    except ObjectMissing:
        return Reading(facts=(customer_seen({"id": external_id, "deleted": True}),))
    number = await own_number((raw.get("metadata") or {}).get(CUSTOMER_KEY))
    return reading_of(account, raw, customer_seen(raw, (await existing_customers([number]))[0]))


def customer_seen(raw: Raw, customer_id: int | None = None) -> CustomerSeen:
    """A customer as it stands; `customer_id` is ours."""
    return CustomerSeen(
        external_id=str(raw["id"]),
        name=raw.get("name"),
        email=raw.get("email"),
        customer_id=customer_id,
        deleted=bool(raw.get("deleted")),
        occurred_at=datetime.now(UTC),
    )


async def existing_customers(numbers: Sequence[int | None]) -> list[int | None]:
    """The same numbers, without those of customers that are not here."""
    wanted = {number for number in numbers if number is not None}
    if not wanted:
        return [None] * len(numbers)
    async with connection() as held:
        rows = await held.fetch("SELECT id FROM customer WHERE id = ANY($1::bigint[])", list(wanted))
    there = {row["id"] for row in rows}
    return [number if number in there else None for number in numbers]


async def read_payment_method(account: Account, external_id: str, events: Sequence[StoredEvent]) -> Reading:
    """The saved method now, also after it was detached, and for which subscriptions it was agreed to."""
    try:
        raw = await reads.retrieve_payment_method(account, current_settings(), external_id)
    except ObjectMissing:
        return await reading_of_gone(account, "payment_method", external_id, events=events, told=_method_gone)
    return reading_of(account, raw, method_seen(raw), *await agreements_about(account, raw, events))


def method_seen(raw: Raw) -> PaymentMethodSeen:
    """A saved method, as far as people may see it."""
    kind = str(raw["type"])
    inner = raw.get(kind) or {}
    return PaymentMethodSeen(
        external_id=str(raw["id"]),
        customer_external_id=_id(raw.get("customer")),
        kind=kind,
        words=describe_method(raw) or kind,
        expires_month=inner.get("exp_month"),
        expires_year=inner.get("exp_year"),
        blocked=_blocked(inner),
        occurred_at=datetime.now(UTC),
    )


async def _method_gone(raw: Raw) -> Fact:
    return method_seen({**raw, "customer": None})


def _blocked(inner: Raw) -> str:
    """Why a bank account cannot be debited any more."""
    blocked = (inner.get("status_details") or {}).get("blocked")
    if not blocked:
        return ""
    why = str(blocked.get("reason") or "").replace("_", " ")
    return f"Its bank blocked it: {why}." if why else "Its bank blocked it."


def _id(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None
