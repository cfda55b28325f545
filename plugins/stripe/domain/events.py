"""What an event is about, and which object it makes us read. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Follow(StrEnum):
    """Which object of Stripe is read for an event."""

    INVOICE = "invoice"
    CUSTOMER = "customer"


_BY_PREFIX = (
    ("invoice.", Follow.INVOICE),
    ("invoice_payment.", Follow.INVOICE),
    ("payment_intent.", Follow.INVOICE),
    ("charge.succeeded", Follow.INVOICE),
    ("charge.failed", Follow.INVOICE),
    ("charge.pending", Follow.INVOICE),
    ("charge.updated", Follow.INVOICE),
)
_EXACT = {
    "customer.created": Follow.CUSTOMER,
    "customer.updated": Follow.CUSTOMER,
    "customer.deleted": Follow.CUSTOMER,
    "invoice.upcoming": None,  # a preview without an id: nothing to read
}

ENDPOINT_EVENTS = (
    "charge.failed",
    "charge.pending",
    "charge.succeeded",
    "charge.updated",
    "customer.created",
    "customer.deleted",
    "customer.updated",
    "invoice.created",
    "invoice.finalization_failed",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.sent",
    "invoice.updated",
    "invoice.voided",
    "invoice_payment.paid",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
)
"""What an endpoint must send: the types that `follow` acts on."""


def follow(event_type: str) -> Follow | None:
    """What to read when an event of this type arrives; None: it is kept and nothing follows."""
    if event_type in _EXACT:
        return _EXACT[event_type]
    return next((what for prefix, what in _BY_PREFIX if event_type.startswith(prefix)), None)


@dataclass(frozen=True, slots=True)
class Pointer:
    """How to find the invoice of an event: by its id, or by the payment intent that pays it."""

    invoice: str | None = None
    payment_intent: str | None = None


def points_at(snapshot: dict[str, Any]) -> Pointer:
    """Read the ids that never change from an event's object, whatever else in it is stale by now."""
    match snapshot.get("object"):
        case "invoice":
            return Pointer(invoice=_id(snapshot.get("id")))
        case "invoice_payment":
            return Pointer(invoice=_id(snapshot.get("invoice")))
        case "payment_intent":
            return Pointer(payment_intent=_id(snapshot.get("id")))
        case "charge":
            return Pointer(payment_intent=_id(snapshot.get("payment_intent")))
    return Pointer()


def _id(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None
