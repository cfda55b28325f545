"""Plans and subscriptions, as providers last described them."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Boolean, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from portal.accounts.tables import ConnectedAccount
from portal.customers.tables import Customer


class Product(Table, tablename="product"):
    """What a plan sells."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    external_id = Text(null=False)
    name = Text(null=False)
    active = Boolean(null=False, default=True)
    deleted = Boolean(null=False, default=False)
    seen_at = Timestamptz(null=False)


class Plan(Table, tablename="plan"):
    """A price of a product."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    external_id = Text(null=False)
    product_external_id = Text(null=False)
    """By the provider's id: the product may become known later."""
    amount_minor = BigInt(null=True, default=None)
    """Empty: it depends on use."""
    currency = Text(null=False)
    interval = Text(null=False, default="")
    interval_count = BigInt(null=False, default=1)
    words = Text(null=False)
    metered = Boolean(null=False, default=False)
    """Use is counted, and nobody orders a quantity."""
    active = Boolean(null=False, default=True)
    deleted = Boolean(null=False, default=False)
    seen_at = Timestamptz(null=False)


class Subscription(Table, tablename="subscription"):
    """A subscription as it last stood. `status` is the provider's word, in the field's terms."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    external_id = Text(null=False)
    customer = ForeignKey(Customer, null=False, on_delete=OnDelete.restrict)
    customer_external_id = Text(null=False)
    plan_external_id = Text(null=False)
    quantity = BigInt(null=False, default=1)
    status = Text(null=False)
    amount_minor = BigInt(null=True, default=None)
    """Of one period, all items together, before tax and discount; empty: it depends on use."""
    currency = Text(null=False)
    interval = Text(null=False)
    interval_count = BigInt(null=False, default=1)
    started_at = Timestamptz(null=False)
    period_start = Timestamptz(null=True, default=None)
    period_end = Timestamptz(null=True, default=None)
    trial_end = Timestamptz(null=True, default=None)
    cancel_at = Timestamptz(null=True, default=None)
    cancel_at_period_end = Boolean(null=False, default=False)
    canceled_at = Timestamptz(null=True, default=None)
    ended_at = Timestamptz(null=True, default=None)
    pause = Text(null=False, default="")
    latest_invoice_external_id = Text(null=True, default=None)
    wish = Text(null=False, default="")
    """What the portal asked for and the provider has not confirmed: `cancel_now`, `cancel_at_period_end`,
    `keep`, `pause`, `resume` or `change_plan`."""
    wish_plan_external_id = Text(null=False, default="")
    """What `change_plan` asks for, with the quantity."""
    wish_quantity = BigInt(null=False, default=0)
    wish_proration = Text(null=False, default="")
    """How the rest of the period counts then: `next_invoice`, `at_once` or `not_at_all`."""
    method_external_id = Text(null=True, default=None)
    """The saved method that it is charged to: its own, else the customer's default."""
    wish_method_external_id = Text(null=False, default="")
    """What the customer agreed to be charged with from now on, and the provider has not confirmed."""
    method_agreed_at = Timestamptz(null=True, default=None)
    """When that, or the last one, was agreed: an older word does not take the place of a newer one."""
    seen_at = Timestamptz(null=False)


class SubscriptionOrder(Table, tablename="subscription_order"):
    """A subscription that somebody here wants to start; `external_id` once the provider has it."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    customer = ForeignKey(Customer, null=False, on_delete=OnDelete.restrict)
    plan_external_id = Text(null=False)
    quantity = BigInt(null=False, default=1)
    trial_days = BigInt(null=False, default=0)
    send_link = Boolean(null=False, default=False)
    """Whether the customer is to be mailed the way to the first payment."""
    status = Text(null=False, default="asked")
    """`asked`, `made` or `refused`."""
    refusal = Text(null=False, default="")
    external_id = Text(null=True, default=None)
    created_at = Timestamptz(null=False)


class MethodLink(Table, tablename="method_link"):
    """The address under which a customer changes how a subscription is paid; one for each subscription."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    mode = Text(null=False)
    subscription = ForeignKey(Subscription, null=False, on_delete=OnDelete.cascade)
    token_hash = Bytea(null=False)
    sealed_token = Text(null=False)
    """Sealed, so that the link can be shown and copied again."""
    expires_at = Timestamptz(null=False)
    opened_at = Timestamptz(null=True, default=None)
    created_at = Timestamptz(null=False)
