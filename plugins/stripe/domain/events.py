"""What an event is about, and which object it makes us read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Follow(StrEnum):
    """Which object of Stripe is read for an event."""

    INVOICE = "invoice"
    REFUND = "refund"
    """The invoice that the money was paid for, together with its refunds."""
    DISPUTE = "dispute"
    """The same with its disputes."""
    CREDIT_NOTE = "credit_note"
    """The same with its credit notes."""
    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"
    PRODUCT = "product"
    PRICE = "price"
    PAYMENT_METHOD = "payment_method"
    ACCOUNT = "account"
    FRAUD_WARNING = "fraud_warning"
    PAYOUT = "payout"


OF_INVOICES = frozenset({Follow.INVOICE, Follow.REFUND, Follow.DISPUTE, Follow.CREDIT_NOTE})
"""What ends at an invoice: all of it is one subject and shares one lock and one read."""

_FAMILIES: Mapping[str, Follow] = {
    "account": Follow.ACCOUNT,
    "capability": Follow.ACCOUNT,
    "charge": Follow.INVOICE,
    "charge.dispute": Follow.DISPUTE,
    "charge.refund": Follow.REFUND,
    "credit_note": Follow.CREDIT_NOTE,
    "customer": Follow.CUSTOMER,
    "customer.subscription": Follow.SUBSCRIPTION,
    "invoice": Follow.INVOICE,
    "invoice_payment": Follow.INVOICE,
    "mandate": Follow.PAYMENT_METHOD,
    "payment_intent": Follow.INVOICE,
    "payment_method": Follow.PAYMENT_METHOD,
    "payout": Follow.PAYOUT,
    "price": Follow.PRICE,
    "product": Follow.PRODUCT,
    "radar.early_fraud_warning": Follow.FRAUD_WARNING,
    "refund": Follow.REFUND,
    "setup_intent": Follow.PAYMENT_METHOD,
}
"""Type without its last part -> what is read. Types that Stripe adds to a family are followed, too."""
_APART: Mapping[str, Follow | None] = {
    "account.application.authorized": None,  # about an app of the account, which nothing here reads
    "account.application.deauthorized": None,
    "charge.refunded": Follow.REFUND,
    "invoice.upcoming": None,  # a preview without an id: nothing to read
}
"""Types that are not followed as their family is."""

ENDPOINT_EVENTS = (
    "account.updated",
    "capability.updated",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.failed",
    "charge.pending",
    "charge.refund.updated",
    "charge.refunded",
    "charge.succeeded",
    "charge.updated",
    "credit_note.created",
    "credit_note.updated",
    "credit_note.voided",
    "customer.created",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.created",
    "invoice.deleted",
    "invoice.finalization_failed",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.overdue",
    "invoice.overpaid",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_attempt_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.sent",
    "invoice.updated",
    "invoice.voided",
    "invoice.will_be_due",
    "invoice_payment.paid",
    "mandate.updated",
    "payment_intent.canceled",
    "payment_intent.partially_funded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
    "payout.failed",
    "price.created",
    "price.deleted",
    "price.updated",
    "product.created",
    "product.deleted",
    "product.updated",
    "radar.early_fraud_warning.created",
    "refund.created",
    "refund.failed",
    "refund.updated",
    "setup_intent.setup_failed",
    "setup_intent.succeeded",
)
"""What an endpoint must send: the types that `follow` acts on."""


def follow(event_type: str) -> Follow | None:
    """What to read when an event of this type arrives; None: it is kept and nothing follows."""
    if event_type in _APART:
        return _APART[event_type]
    return _FAMILIES.get(event_type.rpartition(".")[0])


@dataclass(frozen=True, slots=True)
class Pointer:
    """How to find what an event is about: by one id, the first of these that is known."""

    invoice: str | None = None
    payment_intent: str | None = None
    charge: str | None = None
    payment_method: str | None = None

    @property
    def root(self) -> str | None:
        """The id that all events of one payment, or of one saved method, have in common."""
        return self.invoice or self.payment_intent or self.charge or self.payment_method


_POINTERS: Mapping[str, Mapping[str, str]] = {
    "invoice": {"invoice": "id"},
    "invoice_payment": {"invoice": "invoice"},
    "credit_note": {"invoice": "invoice"},
    "payment_intent": {"payment_intent": "id"},
    "charge": {"payment_intent": "payment_intent", "charge": "id"},
    "refund": {"payment_intent": "payment_intent", "charge": "charge"},
    "dispute": {"payment_intent": "payment_intent", "charge": "charge"},
    "payment_method": {"payment_method": "id"},
    "setup_intent": {"payment_method": "payment_method"},
    "mandate": {"payment_method": "payment_method"},
}
"""Kind of object -> what of the pointer is found in which of its fields."""


def points_at(snapshot: Mapping[str, Any]) -> Pointer:
    """Read the ids that never change from an event's object, whatever else in it is stale by now."""
    fields = _POINTERS.get(str(snapshot.get("object")), {})
    return Pointer(**{name: _id(snapshot.get(field)) for name, field in fields.items()})


def _id(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None
