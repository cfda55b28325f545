"""Connections to providers."""

from __future__ import annotations

from piccolo.columns import JSONB, Array, BigInt, BigSerial, Bytea, Text, Timestamptz
from piccolo.table import Table


class ConnectedAccount(Table, tablename="connected_account"):
    """One connection: a provider's account in one mode. Disconnected rows stay, without secrets."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    plugin = Text(null=False)
    mode = Text(null=False)
    external_account_id = Text(null=False)
    title = Text(null=False)
    state = Text(null=False, default="ready")
    """`ready`, `needs_attention`, `broken` or `disconnected`."""
    health_reason = Text(null=False, default="")
    sealed_credentials = JSONB(null=False, default="{}")
    """Field name -> sealed text; empty once disconnected."""
    shown_credentials = JSONB(null=False, default="{}")
    """Field name -> what people may see of it (prefix and last four)."""
    options = JSONB(null=False, default="{}")
    webhook_token_hash = Bytea(null=True, default=None)
    sealed_webhook_token = Text(null=False, default="")
    """The token again, sealed: the connected page shows the endpoint address."""
    connected_by = Text(null=False, default="")
    version = BigInt(null=False, default=1)
    last_event_at = Timestamptz(null=True, default=None)
    connected_at = Timestamptz(null=False)
    disconnected_at = Timestamptz(null=True, default=None)


class PendingEndpoint(Table, tablename="pending_endpoint"):
    """The webhook token of a connect form, before there is an account; it becomes the account's on save."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    plugin = Text(null=False)
    token_hash = Bytea(null=False)
    sealed_token = Text(null=False)
    created_at = Timestamptz(null=False)


class CheckAllowance(Table, tablename="check_allowance"):
    """When a person ran the checks of a connect form lately."""

    person = BigInt(primary_key=True)
    runs = Array(base_column=Timestamptz(), null=False)
