"""The ledger: money that moved, and the attempts to move it."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from portal.accounts.tables import ConnectedAccount


class Payment(Table, tablename="payment"):
    """A row of the ledger. A trigger refuses changes; an unknown method may be filled in once."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    invoice = BigInt(null=False)
    """References `invoice` (the key is in the migration: this room stands below that one)."""
    account = ForeignKey(ConnectedAccount, null=True, default=None, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    kind = Text(null=False)
    """`payment`, `refund`, `dispute` or `offline`; `credit` where the debt became less and no money moved."""
    external_id = Text(null=False)
    amount_minor = BigInt(null=False)
    """What it adds to the paid sum: refunds and lost disputes are negative."""
    currency = Text(null=False)
    method = Text(null=True, default=None)
    occurred_at = Timestamptz(null=False)
    recorded_at = Timestamptz(null=False)


class PaymentAttempt(Table, tablename="payment_attempt"):
    """A try to pay: it moves no money by itself. The last word of the provider on it wins."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    invoice = BigInt(null=False)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    external_id = Text(null=False)
    state = Text(null=False)
    """`processing`, `succeeded` or `failed`; the last two are final."""
    amount_minor = BigInt(null=False)
    currency = Text(null=False)
    method = Text(null=True, default=None)
    code = Text(null=False, default="")
    reason = Text(null=False, default="")
    expected_at = Timestamptz(null=True, default=None)
    awaited = Boolean(null=False, default=False)
    """Whether it was under way for a time, so that somebody may believe it to have succeeded."""
    occurred_at = Timestamptz(null=False)
    recorded_at = Timestamptz(null=False)


class Refund(Table, tablename="refund"):
    """Money that is to go back or went back. Only a `succeeded` one stands in the ledger."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    invoice = BigInt(null=False)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    external_id = Text(null=True, default=None)
    """Empty until the provider has it."""
    payment_external_id = Text(null=False)
    amount_minor = BigInt(null=False)
    """Positive."""
    currency = Text(null=False)
    status = Text(null=False)
    """`requested`, `pending`, `requires_action`, `succeeded`, `failed` or `canceled`."""
    reason = Text(null=False, default="")
    failure = Text(null=False, default="")
    requested_by = Text(null=False, default="")
    """Empty: it was started at the provider."""
    created_at = Timestamptz(null=False)
    changed_at = Timestamptz(null=False)


class Credit(Table, tablename="credit"):
    """A credit note. What an issued one took off the debt stands in the ledger, and nothing else of it."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    invoice = BigInt(null=False)
    account = ForeignKey(ConnectedAccount, null=True, default=None, on_delete=OnDelete.restrict)
    """Empty: no provider has a copy of the invoice."""
    mode = Text(null=False)
    external_id = Text(null=True, default=None)
    """Empty until the provider has it."""
    amount_minor = BigInt(null=False)
    """Positive."""
    currency = Text(null=False)
    status = Text(null=False)
    """`requested`, `issued`, `failed` or `void`."""
    reason = Text(null=False, default="")
    failure = Text(null=False, default="")
    requested_by = Text(null=False, default="")
    """Empty: it was made at the provider."""
    created_at = Timestamptz(null=False)
    changed_at = Timestamptz(null=False)


class Dispute(Table, tablename="dispute"):
    """A customer's bank asks for the money back."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    invoice = BigInt(null=False)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    external_id = Text(null=False)
    payment_external_id = Text(null=False)
    amount_minor = BigInt(null=False)
    currency = Text(null=False)
    status = Text(null=False)
    reason = Text(null=False, default="")
    respond_by = Timestamptz(null=True, default=None)
    withdrawn = Boolean(null=False, default=False)
    opened_at = Timestamptz(null=False)
    changed_at = Timestamptz(null=False)
