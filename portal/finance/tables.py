"""The organisation whose portal this is."""

from __future__ import annotations

from decimal import Decimal

from piccolo.columns import UUID, Array, BigInt, BigSerial, Boolean, Bytea, Numeric, Text, Timestamptz
from piccolo.table import Table


class Organisation(Table, tablename="organisation"):
    """Exactly one row once the portal is set up."""

    id = BigInt(primary_key=True, default=1)
    instance_id = UUID(null=False)
    """Which installation this is; provider objects carry it, so that a copy does not act on them."""
    name = Text(null=False)
    contact_email = Text(null=False, default="")
    address = Text(null=False, default="")
    """Lines of the postal address as printed on invoices."""
    default_currency = Text(null=False)
    time_zone = Text(null=False)
    invoice_prefix = Text(null=False, default="INV-")
    next_invoice_number = BigInt(null=False, default=1)
    terms_days = BigInt(null=False, default=14)
    tax_id = Text(null=False, default="")
    """The company's own tax number, as printed on invoices."""
    bank_details = Text(null=False, default="")
    """Lines of the bank account as printed on invoices."""
    footer = Text(null=False, default="")
    """What new invoices say at the foot."""
    logo = Bytea(null=True, default=None)
    """A PNG that we wrote ourselves from what was uploaded."""
    logo_digest = Text(null=False, default="")
    """Names the picture in its public address; empty: there is none."""
    pay_link_days = BigInt(null=False, default=90)
    reminders_on = Boolean(null=False, default=False)
    reminder_days = Array(base_column=BigInt(), null=False, default=[-3, 3, 10])
    """Days after the due date; below zero: before it."""
    reminder_note = Text(null=False, default="")
    """A paragraph of the company's own in each reminder."""
    version = BigInt(null=False, default=1)
    created_at = Timestamptz(null=False)


class TaxRate(Table, tablename="tax_rate"):
    """A rate to choose from in invoices; their lines keep what was chosen."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    name = Text(null=False)
    percent = Numeric(digits=(6, 3), null=False, default=Decimal(0))
    active = Boolean(null=False, default=True)
    created_at = Timestamptz(null=False)
