"""What a plugin tells the portal: frozen facts. Applying one twice, or late, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from portal.money import Money


class Mode(StrEnum):
    """Whether real money moves."""

    TEST = "test"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class PaymentSucceeded:
    """`amount` arrived. `external_id` names the payment; a second fact with the same one adds nothing."""

    invoice_id: int
    external_id: str
    amount: Money
    occurred_at: datetime
    method: str | None = None
    """For people: `Visa ending 4242`. May be filled in later, is never changed."""
    attempt_id: str | None = None
    offline: bool = False
    """The provider was told of the payment, it did not carry it (paid out of band)."""


@dataclass(frozen=True, slots=True)
class PaymentProcessing:
    """A payment is under way and takes days; nobody should pay a second time meanwhile."""

    invoice_id: int
    attempt_id: str
    amount: Money
    occurred_at: datetime
    method: str | None = None
    expected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaymentFailed:
    """An attempt failed and nothing was charged for it. `code` is the provider's, for admins alone."""

    invoice_id: int
    attempt_id: str
    amount: Money
    occurred_at: datetime
    code: str
    reason: str
    """In words, for admins."""
    method: str | None = None
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttemptsUnderWay:
    """From a fresh read: of the invoice's attempts, these alone are under way now."""

    invoice_id: int
    attempt_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class InvoiceClosed:
    """The provider closed its copy: `void` or `uncollectible`."""

    invoice_id: int
    status: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class InvoicePublished:
    """The provider holds its copy of the invoice under `external_id`."""

    invoice_id: int
    external_id: str
    external_number: str | None
    hosted_url: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerSeen:
    """The provider has this customer. `customer_id` is ours when its metadata names one of ours."""

    external_id: str
    name: str | None
    email: str | None
    customer_id: int | None
    deleted: bool
    occurred_at: datetime


Fact = (
    PaymentSucceeded
    | PaymentProcessing
    | PaymentFailed
    | AttemptsUnderWay
    | InvoiceClosed
    | InvoicePublished
    | CustomerSeen
)
