"""Plans and subscriptions, as providers last described them."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Boolean, ForeignKey, OnDelete, Text, Timestamptz
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
    `keep`, `pause` or `resume`."""
    seen_at = Timestamptz(null=False)
