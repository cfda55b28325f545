"""Customers, and their links to providers."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from portal.accounts.tables import ConnectedAccount


class Customer(Table, tablename="customer"):
    """Who owes and pays."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    name = Text(null=False)
    email = Text(null=False, default="")
    address = Text(null=False, default="")
    """Lines of the postal address as printed on invoices."""
    tax_id = Text(null=False, default="")
    merged_into = BigInt(null=True, default=None)
    """The customer that took over everything of this one; such a customer is listed nowhere."""
    erased_at = Timestamptz(null=True, default=None)
    """When the personal data was erased, on somebody's request."""
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
    unlinked_from = ForeignKey(Customer, null=True, default=None, on_delete=OnDelete.restrict)
    """Whom somebody unlinked it from: from then on a person alone links it again, whatever it claims."""
    name = Text(null=False, default="")
    email = Text(null=False, default="")
    """Name and address as both sides last agreed on them."""
    sent_name = Text(null=True, default=None)
    sent_email = Text(null=True, default=None)
    """As they were last sent, while nobody knows whether they arrived: seen there, they are our change."""
    deleted = Boolean(null=False, default=False)
    seen_at = Timestamptz(null=False)


class CustomerApart(Table, tablename="customer_apart"):
    """Somebody looked at two with the same email address and said that they are not the same."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    customer = ForeignKey(Customer, null=False, on_delete=OnDelete.cascade)
    link = ForeignKey(CustomerLink, null=True, default=None, on_delete=OnDelete.cascade)
    """The provider's customer that is somebody else, or…"""
    other = ForeignKey(Customer, null=True, default=None, on_delete=OnDelete.cascade)
    """…the customer of ours that is."""
    decided_at = Timestamptz(null=False)


class PaymentMethod(Table, tablename="payment_method"):
    """A saved method of a provider's customer, as far as people may see it."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    external_id = Text(null=False)
    customer_external_id = Text(null=True, default=None)
    """Empty: it was detached."""
    kind = Text(null=False)
    words = Text(null=False)
    expires_month = BigInt(null=True, default=None)
    expires_year = BigInt(null=True, default=None)
    blocked = Text(null=False, default="")
    seen_at = Timestamptz(null=False)
