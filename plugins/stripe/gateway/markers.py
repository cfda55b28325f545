"""A customer that exists for a moment, so that Stripe has an event to deliver: the connection's test."""

from __future__ import annotations

from typing import Any

from plugins.stripe.gateway.client import ObjectMissing, client_for, translated_errors
from portal.sdk import Secret, Settings

NAME = "Workestra Portal connection test"
FIELD = "portal_probe"
NEWEST = 20


async def create_marker(key: Secret, settings: Settings, marker: str) -> str:
    """Create the customer; returns its id. Raises OutcomeUnknown when no answer came."""
    with translated_errors(write=True):
        made = await client_for(key, settings).v1.customers.create_async(
            {"name": NAME, "metadata": {FIELD: marker}}
        )
    return made.id


async def find_marker(key: Secret, settings: Settings, marker: str) -> str | None:
    """The customer that an unanswered call may have made."""
    with translated_errors():
        found = await client_for(key, settings).v1.customers.list_async({"limit": NEWEST})
    customers = [dict(customer.to_dict(for_json=True)) for customer in found.data]
    return next((str(one["id"]) for one in customers if _marker_of(one) == marker), None)


async def delete_marker(key: Secret, settings: Settings, customer: str) -> None:
    """Delete the customer; one that is gone already is no error."""
    try:
        with translated_errors():
            await client_for(key, settings).v1.customers.delete_async(customer)
    except ObjectMissing:
        return


async def find_event(key: Secret, settings: Settings, marker: str) -> dict[str, Any] | None:
    """The event of the customer's creation, as Stripe tells it."""
    with translated_errors():
        found = await client_for(key, settings).v1.events.list_async(
            {"type": "customer.created", "limit": NEWEST}
        )
    events = [dict(event.to_dict(for_json=True)) for event in found.data]
    return next((event for event in events if _marker_of(event["data"]["object"]) == marker), None)


def _marker_of(customer: dict[str, Any]) -> object:
    return (customer.get("metadata") or {}).get(FIELD)
