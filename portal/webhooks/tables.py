"""The inbox: every delivery that was accepted, as it came."""

from __future__ import annotations

from piccolo.columns import JSONB, BigInt, BigSerial, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from portal.accounts.tables import ConnectedAccount


class WebhookEvent(Table, tablename="webhook_event"):
    """One event of a provider, stored once. It is the queue of record; messages only ring its bell."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    external_id = Text(null=False)
    type = Text(null=False)
    object_kind = Text(null=False, default="")
    object_id = Text(null=False, default="")
    group_id = Text(null=False, default="")
    """The root of what it is about, such as the intent of a charge: one read serves the group."""
    api_version = Text(null=True, default=None)
    body = Bytea(null=False)
    origin = Text(null=False, default="delivery")
    """`delivery`, or `list` when it was missed and then found in the provider's own list."""
    state = Text(null=False, default="received")
    """`received`, `processing`, `processed`, `ignored`, `parked` or `rejected`."""
    attempts = BigInt(null=False, default=0)
    crashes = BigInt(null=False, default=0)
    """How often a lease ended without a word from its worker."""
    lease_until = Timestamptz(null=True, default=None)
    due_at = Timestamptz(null=False)
    error_code = Text(null=False, default="")
    error_words = Text(null=False, default="")
    history = JSONB(null=False, default="[]")
    """Attempts that failed and replays, oldest first, as `portal.webhooks.attempts` writes them."""
    outcome = Text(null=False, default="")
    """What it did, as a sentence: `Marked INV-0043 paid`."""
    received_at = Timestamptz(null=False)
    processed_at = Timestamptz(null=True, default=None)


class WebhookIdentity(Table, tablename="webhook_identity"):
    """Which events are stored: `webhook_event` is cut into months, and no unique key spans them."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    external_id = Text(null=False)
    event = BigInt(null=False)


class EventWalk(Table, tablename="event_walk"):
    """How far the provider's own list of events was walked, to find what was never delivered."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    mode = Text(null=False)
    walked_to = Timestamptz(null=False)
    """Everything before was seen; the next walk begins a while earlier all the same."""
    after = Text(null=True, default=None)
    """Cursor of a walk that has not ended yet."""
    heading_for = Timestamptz(null=True, default=None)
    """When that walk began: `walked_to` once it has ended."""
    ran_at = Timestamptz(null=True, default=None)
    found = BigInt(null=False, default=0)
    """How many events were missing, in all walks."""
    error = Text(null=False, default="")


class DeliveryProof(Table, tablename="delivery_proof"):
    """Somebody waits for a signed event at an address, to prove its secret. Rows live for a minute."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    token_hash = Bytea(null=False)
    marker = Text(null=False)
    """Random; the event that is waited for carries it, and nobody else knows it."""
    sealed_secrets = JSONB(null=False, default="{}")
    """The secrets that may sign it, in order, sealed: `{"0": …}`."""
    closes_at = Timestamptz(null=False)


class ProofDelivery(Table, tablename="proof_delivery"):
    """A delivery that carried a proof's marker, genuine or not, for the diagnosis."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    proof = ForeignKey(DeliveryProof, null=False, on_delete=OnDelete.cascade)
    body = Bytea(null=False)
    headers = JSONB(null=False, default="{}")
    """Lower-case names; those that the signature needs, no others."""
    signed_by = BigInt(null=True, default=None)
    """Place of the secret that signed it; empty when it was refused."""
    refusal = Text(null=False, default="")
    received_at = Timestamptz(null=False)


class DeliveryRefusal(Table, tablename="delivery_refusal"):
    """How many deliveries were refused at a connection's address, by hour and reason."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    hour = Timestamptz(null=False)
    reason = Text(null=False)
    refused = BigInt(null=False, default=0)
    last_at = Timestamptz(null=False)
