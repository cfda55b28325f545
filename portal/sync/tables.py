"""The outbox: what the portal still has to tell a provider."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from portal.accounts.tables import ConnectedAccount


class SyncTask(Table, tablename="sync_task"):
    """One piece of work at a provider. The idempotency key is stored before the first call."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    kind = Text(null=False)
    """`publish_invoice`, `void_invoice`, …"""
    subject_id = BigInt(null=False)
    idempotency_key = Text(null=False)
    key_generation = BigInt(null=False, default=1)
    """Rises when the provider has stored a failure for the key, so that the key is of no more use."""
    state = Text(null=False, default="waiting")
    """`waiting`, `sending`, `done`, `failed` or `unknown`."""
    attempts = BigInt(null=False, default=0)
    lease_until = Timestamptz(null=True, default=None)
    due_at = Timestamptz(null=False)
    error = Text(null=False, default="")
    created_at = Timestamptz(null=False)
    finished_at = Timestamptz(null=True, default=None)
