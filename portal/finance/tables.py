"""The organisation whose portal this is."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Text, Timestamptz
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
    version = BigInt(null=False, default=1)
    created_at = Timestamptz(null=False)
