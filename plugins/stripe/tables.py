"""Which of Stripe's objects belong to which of the portal's, and what was last read of them."""

from __future__ import annotations

from piccolo.columns import JSONB, BigInt, BigSerial, Boolean, Text, Timestamptz
from piccolo.table import Table


class StripeLink(Table, tablename="stripe_link"):
    """`external_id` (an invoice or a payment intent) belongs to the portal's invoice `invoice`."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = BigInt(null=False)
    mode = Text(null=False)
    kind = Text(null=False)
    external_id = Text(null=False)
    invoice = BigInt(null=False)
    invoice_external_id = Text(null=False)
    """Stripe's invoice, also on the rows of its payment intents: all events about either share one lock."""


class StripeObject(Table, tablename="stripe_object"):
    """The raw JSON that was last read of an object."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = BigInt(null=False)
    mode = Text(null=False)
    kind = Text(null=False)
    external_id = Text(null=False)
    last_read = JSONB(null=False)
    deleted = Boolean(null=False, default=False)
    read_at = Timestamptz(null=False)
