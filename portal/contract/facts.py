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


UNKNOWN_INVOICE = 0
"""In facts that come with an `InvoiceSeen`: the invoice that it finds or makes."""


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
    from_credit: bool = False
    """Credit of the customer was used up: no money moved. Nothing (an amount of 0): it was given back."""


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
    """The provider holds its copy of the invoice under `external_id`.

    From a fresh read it also says what stands in the copy, so that a difference is seen. None: not told.
    """

    invoice_id: int
    external_id: str
    external_number: str | None
    hosted_url: str | None
    occurred_at: datetime
    status: str | None = None
    """`open`, `paid`, `void` or `uncollectible`."""
    total: Money | None = None
    due_at: datetime | None = None
    memo: str | None = None


@dataclass(frozen=True, slots=True)
class CustomerSeen:
    """The provider has this customer. `customer_id` is ours when its metadata names one of ours."""

    external_id: str
    name: str | None
    email: str | None
    customer_id: int | None
    deleted: bool
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class SeenLine:
    """A line of a provider's invoice. `amount` is its total, tax apart; negative for a discount."""

    description: str
    quantity: int
    amount: Money


@dataclass(frozen=True, slots=True)
class InvoiceSeen:
    """The provider has this finalised invoice, made there and not here. Drafts are not told of."""

    external_id: str
    number: str
    status: str
    """`open`, `paid`, `void` or `uncollectible`, as the provider calls it."""
    total: Money
    tax: Money
    customer_external_id: str
    customer_name: str
    customer_email: str
    created_at: datetime
    finalised_at: datetime
    due_at: datetime | None = None
    memo: str = ""
    hosted_url: str = ""
    subscription_external_id: str | None = None
    lines: tuple[SeenLine, ...] = ()


@dataclass(frozen=True, slots=True)
class CollectionSeen:
    """How far the provider's own attempts to collect an invoice are. From a fresh read."""

    invoice_id: int
    attempts: int
    next_attempt_at: datetime | None
    failure: str = ""
    """Why the invoice could not be finalised or collected, in words for admins; empty: nothing is wrong."""


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """A refund as it stands. Only `succeeded` gives money back; it may still fail afterwards."""

    invoice_id: int
    external_id: str
    amount: Money
    status: str
    """`pending`, `requires_action`, `succeeded`, `failed` or `canceled`."""
    payment_external_id: str
    occurred_at: datetime
    reason: str = ""
    failure: str = ""
    """Why it failed, in words for admins."""
    refund_id: int | None = None
    """Ours, when the portal asked for it."""


@dataclass(frozen=True, slots=True)
class CreditSeen:
    """A credit note as it stands. `taken_off` of it lowered what is owed; a `void` one lowers nothing."""

    invoice_id: int
    external_id: str
    number: str
    amount: Money
    """Of the whole note. What was paid already went back by refunds, which are told as such, or otherwise."""
    taken_off: Money
    status: str
    """`issued` or `void`."""
    occurred_at: datetime
    reason: str = ""
    aside: str = ""
    """What became of the part that was paid already, in words; empty: there is none."""
    credit_id: int | None = None
    """Ours, when the portal asked for it."""


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """A dispute as it stands. `withdrawn`: the provider holds the money back now."""

    invoice_id: int
    external_id: str
    amount: Money
    status: str
    """The provider's word, such as `needs_response`, `won` or `lost`."""
    withdrawn: bool
    payment_external_id: str
    occurred_at: datetime
    reason: str = ""
    respond_by: datetime | None = None
    bounced: bool = False
    """The customer's bank did not pay after all: what the payment brought is owed again."""
    taken: Money | None = None
    """What the provider's balance lost. It counts when `amount` is in another currency than the invoice."""


@dataclass(frozen=True, slots=True)
class ProductSeen:
    """What a plan sells."""

    external_id: str
    name: str
    active: bool
    deleted: bool
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class PlanSeen:
    """A price of a product. `amount` None: it depends on use, `words` describe it."""

    external_id: str
    product_external_id: str
    amount: Money | None
    currency: str
    interval: str
    """`day`, `week`, `month`, `year`; empty for a price that is paid once."""
    interval_count: int
    words: str
    """`$20.00 per month`, `Per unit: $10.00 up to 5, $8.00 from 6, every month`."""
    active: bool
    deleted: bool
    occurred_at: datetime
    metered: bool = False
    """Use is counted, and nobody orders a quantity."""


@dataclass(frozen=True, slots=True)
class SubscriptionSeen:
    """A subscription as it stands, in the provider's own words for its status."""

    external_id: str
    customer_external_id: str
    customer_name: str
    customer_email: str
    plan_external_id: str
    """Of its first item."""
    quantity: int
    status: str
    """`incomplete`, `incomplete_expired`, `trialing`, `active`, `past_due`, `unpaid`, `paused` or
    `canceled`."""
    amount: Money | None
    """Of one period, all items together, before tax and discount; None: it depends on use."""
    currency: str
    interval: str
    interval_count: int
    started_at: datetime
    period_start: datetime | None
    period_end: datetime | None
    trial_end: datetime | None = None
    cancel_at: datetime | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    pause: str = ""
    """Why or how it is paused: empty, or the provider's word (`keep_as_draft`, `pause_requested`, …)."""
    latest_invoice_external_id: str | None = None
    method_external_id: str | None = None
    """The saved method that it is charged to: its own, else the customer's default."""
    order_id: int | None = None
    """The order of this installation that it was made for, as its metadata say."""


@dataclass(frozen=True, slots=True)
class PaymentMethodSeen:
    """A saved method of a customer, as far as people may see it."""

    external_id: str
    customer_external_id: str | None
    """None: it was detached."""
    kind: str
    """`card`, `us_bank_account`, …"""
    words: str
    """`Visa ending 4242`."""
    expires_month: int | None
    expires_year: int | None
    blocked: str
    """Why it cannot be used any more; empty when it can."""
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class MethodAgreed:
    """The customer agreed that the subscription is charged to this method from now on.

    The newest word counts, in whichever order they are told: `agreed_at` is when the customer gave it.
    """

    subscription_external_id: str
    method_external_id: str
    agreed_at: datetime


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """Something that a person should look at in the provider: `external_id` names it once."""

    external_id: str
    kind: str
    """`fraud_warning`, `payout_failed`, `finalization_failed`, …"""
    words: str
    occurred_at: datetime
    invoice_id: int | None = None


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """The provider's account itself changed: its checks are run again."""


InvoiceFact = (
    PaymentSucceeded
    | PaymentProcessing
    | PaymentFailed
    | AttemptsUnderWay
    | InvoiceClosed
    | InvoicePublished
    | CollectionSeen
    | RefundSeen
    | CreditSeen
    | DisputeSeen
)
"""Facts with an `invoice_id`, which all change one invoice."""
Fact = (
    InvoiceFact
    | InvoiceSeen
    | CustomerSeen
    | ProductSeen
    | PlanSeen
    | SubscriptionSeen
    | PaymentMethodSeen
    | MethodAgreed
    | AlertRaised
    | AccountChanged
)
