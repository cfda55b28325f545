"""Invoices and their lines."""

from __future__ import annotations

from decimal import Decimal

from piccolo.columns import (
    BigInt,
    BigSerial,
    Boolean,
    Bytea,
    Date,
    ForeignKey,
    Numeric,
    OnDelete,
    Text,
    Timestamptz,
)
from piccolo.table import Table

from portal.accounts.tables import ConnectedAccount
from portal.customers.tables import Customer


class Invoice(Table, tablename="invoice"):
    """What is owed. `status` is decided by `rules.py` from the ledger and the attempts, nowhere else."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    number = Text(null=True, default=None)
    """Given when the invoice is finalised; drafts have none."""
    customer = ForeignKey(Customer, null=False, on_delete=OnDelete.restrict)
    account = ForeignKey(ConnectedAccount, null=True, default=None, on_delete=OnDelete.restrict)
    """The connection that collects it; empty: paid offline alone."""
    mode = Text(null=False)
    origin = Text(null=False, default="portal")
    """`portal`, or `provider` when it was made there and is only followed here."""
    subscription_external_id = Text(null=True, default=None)
    """The provider's subscription that it bills."""
    attempts = BigInt(null=False, default=0)
    """How often the provider itself tried to collect it."""
    next_attempt_at = Timestamptz(null=True, default=None)
    collection_failure = Text(null=False, default="")
    """Why the provider could not finalise or collect it, in words."""
    currency = Text(null=False)
    status = Text(null=False, default="draft")
    subtotal_minor = BigInt(null=False, default=0)
    """The lines together, before the discount and without tax."""
    discount_percent = Numeric(digits=(6, 3), null=True, default=None)
    """Set when the discount was given in percent of the subtotal."""
    discount_minor = BigInt(null=False, default=0)
    """What is taken off the subtotal before tax, as an amount above zero."""
    tax_minor = BigInt(null=False, default=0)
    total_minor = BigInt(null=False, default=0)
    amount_paid_minor = BigInt(null=False, default=0)
    """What arrived and is still here."""
    amount_returned_minor = BigInt(null=False, default=0)
    """What arrived and went back by refunds and disputes: it is not owed again."""
    due_date = Date(null=True, default=None)
    memo = Text(null=False, default="")
    footer = Text(null=False, default="")
    pay_token_hash = Bytea(null=True, default=None)
    sealed_pay_token = Text(null=False, default="")
    """The pay link's token, sealed, so that the link can be shown and copied again."""
    pay_link_expires_at = Timestamptz(null=True, default=None)
    pay_link_opened_at = Timestamptz(null=True, default=None)
    sent_at = Timestamptz(null=True, default=None)
    """When it was last emailed to the customer."""
    reminders_paused = Boolean(null=False, default=False)
    external_id = Text(null=True, default=None)
    """The provider's id of its copy."""
    external_number = Text(null=False, default="")
    hosted_url = Text(null=False, default="")
    sync_state = Text(null=False, default="none")
    """`none`, `waiting`, `in_step` or `failed`."""
    sync_error = Text(null=False, default="")
    synced_at = Timestamptz(null=True, default=None)
    version = BigInt(null=False, default=1)
    created_at = Timestamptz(null=False)
    finalised_at = Timestamptz(null=True, default=None)
    paid_at = Timestamptz(null=True, default=None)
    voided_at = Timestamptz(null=True, default=None)


class InvoiceLine(Table, tablename="invoice_line"):
    """One thing sold: `quantity` times `unit_minor`, taxed at `tax_rate` percent."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    invoice = ForeignKey(Invoice, null=False, on_delete=OnDelete.cascade)
    position = BigInt(null=False)
    description = Text(null=False)
    quantity = BigInt(null=False, default=1)
    unit_minor = BigInt(null=False)
    tax_rate = Numeric(digits=(6, 3), null=False, default=Decimal(0))
    tax_name = Text(null=False, default="")
    """What the rate is called on the invoice, such as `VAT`; empty: `Tax`."""
    amount_minor = BigInt(null=False)
    """Quantity times unit, without tax."""


class FormerPayLink(Table, tablename="former_pay_link"):
    """A pay link that had expired when another took its place: it opens nothing, but asks for the new one."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    invoice = ForeignKey(Invoice, null=False, on_delete=OnDelete.cascade)
    token_hash = Bytea(null=False)
    replaced_at = Timestamptz(null=False)
