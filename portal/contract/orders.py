"""What the portal asks a provider to do, apart from invoices: a plugin's handlers read it when they begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from portal.money import Money


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """Money of a payment that is to go back."""

    id: int
    key: str
    """Names this refund of this installation; put it into the provider's metadata, look it up by it."""
    invoice_id: int
    invoice_external_id: str | None
    external_id: str | None
    """The provider's id, once there is one: nothing is sent then."""
    payment_external_id: str
    amount: Money
    reason: str
    status: str


@dataclass(frozen=True, slots=True)
class CreditOrder:
    """A part of an invoice that is not to be asked for any more."""

    id: int
    key: str
    """Names this credit of this installation, as that of a refund does."""
    invoice_id: int
    invoice_external_id: str | None
    external_id: str | None
    """The provider's id, once there is one: nothing is sent then."""
    amount: Money
    reason: str
    status: str


@dataclass(frozen=True, slots=True)
class OutsidePayment:
    """Money that people recorded as received without the provider. Its row never changes."""

    id: int
    key: str
    """Names this payment of this installation; put it into the provider's metadata, look it up by it."""
    amount: Money
    method: str
    """For people: `Bank transfer`."""
    reference: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerChanges:
    """What a provider does not know of a customer yet. Fields: `name`, `email`."""

    external_id: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SubscriptionOrder:
    """A subscription that somebody here wants to start."""

    id: int
    key: str
    """Names this order of this installation, as that of a refund does."""
    external_id: str | None
    """The provider's id, once there is one: nothing is sent then."""
    status: str
    """`asked`, `made` or `refused`."""
    plan_external_id: str
    quantity: int
    """Means nothing where the plan is billed by use."""
    trial_days: int
    customer_id: int
    customer_key: str
    customer_name: str
    customer_email: str | None


@dataclass(frozen=True, slots=True)
class SubscriptionWish:
    """What somebody here wants of a subscription; an empty `wish`: nothing any more."""

    external_id: str
    wish: str
    """`cancel_now`, `cancel_at_period_end`, `keep`, `pause`, `resume` or `change_plan`."""
    plan_external_id: str = ""
    """What `change_plan` asks for, with the quantity."""
    quantity: int = 0
    """0: none is ordered, because use is counted."""
    proration: str = ""
    """How the rest of the period counts then: `next_invoice`, `at_once` or `not_at_all`."""


@dataclass(frozen=True, slots=True)
class MethodWish:
    """What a subscription is to be charged to; an empty `method_external_id`: there is nothing to do."""

    external_id: str
    method_external_id: str
