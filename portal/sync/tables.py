"""The outbox: what the portal still has to tell a provider."""

from __future__ import annotations

from piccolo.columns import (
    Array,
    BigInt,
    BigSerial,
    Boolean,
    DoublePrecision,
    ForeignKey,
    OnDelete,
    Text,
    Timestamptz,
)
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
    asked = BigInt(null=False, default=1)
    """How often it was asked for: what was asked during an attempt is done after it."""
    state = Text(null=False, default="waiting")
    """`waiting`, `sending`, `done`, `failed` or `unknown`."""
    attempts = BigInt(null=False, default=0)
    lease_until = Timestamptz(null=True, default=None)
    due_at = Timestamptz(null=False)
    error = Text(null=False, default="")
    created_at = Timestamptz(null=False)
    finished_at = Timestamptz(null=True, default=None)


class ObjectReading(Table, tablename="object_reading"):
    """When something that was read of an object was last stored: a reading begun before is never applied."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    object_key = Text(null=False)
    """`<kind>:<external id>`, as a plugin's subjects are named."""
    read_at = Timestamptz(null=False)
    """By the database's clock."""


class SyncDifference(Table, tablename="sync_difference"):
    """The portal and the provider say different things about a field. Both values are kept for people."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    subject_kind = Text(null=False)
    """`invoice`, `customer`, `subscription`, `price`, …"""
    subject_id = BigInt(null=True, default=None)
    """Ours; empty: the portal has no row for it."""
    external_id = Text(null=False)
    field = Text(null=False)
    ours = Text(null=False)
    theirs = Text(null=False)
    kind = Text(null=False)
    """`conflict`: both sides changed it; `drift`: one side did not hear of a change."""
    cause = Text(null=False)
    """In words: `The event never arrived.`"""
    rule = Text(null=False)
    """In words: what will happen when nobody chooses."""
    trusted = Text(null=False)
    """`ours`, `theirs`, or `person`: nobody but a person can tell."""
    state = Text(null=False, default="open")
    """`open`, `kept_ours`, `took_theirs`, `repaired` (without a person) or `gone` (they agree again)."""
    found_by = Text(null=False)
    """`event`, `task`, `resync` or `comparison`."""
    found_at = Timestamptz(null=False)
    resolved_at = Timestamptz(null=True, default=None)
    resolved_by = Text(null=False, default="")


class SyncRun(Table, tablename="sync_run"):
    """A walk over everything of an account at the provider."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    purpose = Text(null=False)
    """`resync` writes what it reads, `first` does so after connecting; `comparison` reports what differs
    among the objects that can change."""
    kinds = Array(base_column=Text(), null=False)
    range_from = Timestamptz(null=True, default=None)
    repairs = Boolean(null=False, default=False)
    """A comparison that mends at once what only the provider's side can decide."""
    state = Text(null=False, default="waiting")
    """`waiting`, `running`, `paused`, `stopped`, `done` or `failed`."""
    wish = Text(null=False, default="")
    """What a person asked for while it runs: `pause` or `stop`."""
    lease_until = Timestamptz(null=True, default=None)
    owner = Text(null=False, default="")
    """Random, of the worker that holds the lease."""
    due_at = Timestamptz(null=True, default=None)
    """Not before, when the provider asked for patience."""
    failures = BigInt(null=False, default=0)
    """How often in a row the provider did not answer."""
    started_by = Text(null=False, default="")
    created_at = Timestamptz(null=False)
    started_at = Timestamptz(null=True, default=None)
    finished_at = Timestamptz(null=True, default=None)
    busy_seconds = DoublePrecision(null=False, default=0.0)
    """Time spent running, pauses apart, for the rate."""
    error = Text(null=False, default="")


class SyncCursor(Table, tablename="sync_cursor"):
    """How far a run is with one kind of object in a slice of its range; moved with what its page brought."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    run = ForeignKey(SyncRun, null=False, on_delete=OnDelete.cascade)
    kind = Text(null=False)
    slice = BigInt(null=False)
    slice_from = Timestamptz(null=True, default=None)
    slice_to = Timestamptz(null=True, default=None)
    """Exclusive."""
    after = Text(null=True, default=None)
    done = Boolean(null=False, default=False)
    seen = BigInt(null=False, default=0)
    created = BigInt(null=False, default=0)
    updated = BigInt(null=False, default=0)
    unchanged = BigInt(null=False, default=0)
    differing = BigInt(null=False, default=0)
    """How many were noted as differences instead of being written."""
    reached = Timestamptz(null=True, default=None)
    """Creation time of the oldest object seen: how much of the slice is left."""
    error = Text(null=False, default="")
    """What was left out, and why."""


class CallBudget(Table, tablename="call_budget"):
    """A bucket of calls for each account, shared by all processes."""

    account = ForeignKey(ConnectedAccount, primary_key=True, null=False, on_delete=OnDelete.restrict)
    per_second = DoublePrecision(null=False)
    tokens = DoublePrecision(null=False)
    filled_at = Timestamptz(null=False)


class AccountCount(Table, tablename="account_count"):
    """How often something happened on an account, by hour: deliveries, calls, attempts, waits."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    hour = Timestamptz(null=False)
    what = Text(null=False)
    happened = BigInt(null=False, default=0)
    last_at = Timestamptz(null=False)
