"""Customers, and their links to providers."""

from __future__ import annotations

from piccolo.columns import BigSerial, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from portal.accounts.tables import ConnectedAccount


class Customer(Table, tablename="customer"):
    """Who owes and pays."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    name = Text(null=False)
    email = Text(null=False, default="")
    created_at = Timestamptz(null=False)
    updated_at = Timestamptz(null=False)


class CustomerLink(Table, tablename="customer_link"):
    """A provider's customer; `customer` is empty while nobody knows who it is here."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    external_id = Text(null=False)
    customer = ForeignKey(Customer, null=True, default=None, on_delete=OnDelete.restrict)
    name = Text(null=False, default="")
    email = Text(null=False, default="")
    deleted = Boolean(null=False, default=False)
    seen_at = Timestamptz(null=False)
