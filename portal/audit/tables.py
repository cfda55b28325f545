"""The audit log."""

from __future__ import annotations

from piccolo.columns import JSONB, BigSerial, Bytea, Text, Timestamptz
from piccolo.table import Table


class AuditEntry(Table, tablename="audit_entry"):
    """Who did what, when and from where. Append-only; each row holds the hash of the one before."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    at = Timestamptz(null=False)
    actor_kind = Text(null=False)
    """`person`, `plugin`, `provider`, `customer` or `system`."""
    actor_id = Text(null=False, default="")
    actor_name = Text(null=False)
    action = Text(null=False)
    """A stable dotted name: `account.connected`."""
    words = Text(null=False)
    """The same as a sentence for people."""
    object_kind = Text(null=False, default="")
    object_id = Text(null=False, default="")
    mode = Text(null=True, default=None)
    details = JSONB(null=False, default="{}")
    address = Text(null=False, default="")
    previous_hash = Bytea(null=False)
    hash = Bytea(null=False)
