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
    credentials_noted = JSONB(null=False, default="{}")
    """Field name -> who entered it and when, as `{"by": …, "at": …}`."""
    sealed_previous = JSONB(null=False, default="{}")
    """Signing secrets that were replaced, sealed; accepted until `previous_until`."""
    previous_until = Timestamptz(null=True, default=None)
    secret_used_at = Timestamptz(null=True, default=None)
    """When a delivery was last signed with the present secret."""
    previous_used_at = Timestamptz(null=True, default=None)
    """When one was last signed with the previous secret alone."""
    features_off = JSONB(null=False, default="{}")
    """Feature id -> why these credentials do not allow it."""
    verified_at = Timestamptz(null=True, default=None)
    """When the provider last took the key."""
    check_due_at = Timestamptz(null=True, default=None)
    """When all checks are to be run before their day, because the provider's account changed."""
    options = JSONB(null=False, default="{}")
    webhook_token_hash = Bytea(null=True, default=None)
    sealed_webhook_token = Text(null=False, default="")
    """The token again, sealed: the connected page shows the endpoint address."""
    connected_by = Text(null=False, default="")
    version = BigInt(null=False, default=1)
    last_event_at = Timestamptz(null=True, default=None)
    connected_at = Timestamptz(null=False)
    disconnected_at = Timestamptz(null=True, default=None)


class ProviderAlert(Table, tablename="provider_alert"):
    """Something that a person should look at in the provider, such as a fraud warning."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = BigInt(null=False)
    mode = Text(null=False)
    external_id = Text(null=False)
    kind = Text(null=False)
    words = Text(null=False)
    invoice = BigInt(null=True, default=None)
    raised_at = Timestamptz(null=False)
    seen_at = Timestamptz(null=True, default=None)
    """When somebody marked it as seen."""
    seen_by = Text(null=False, default="")


class PendingEndpoint(Table, tablename="pending_endpoint"):
    """The webhook token of a connect form, before there is an account; it becomes the account's on save."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    plugin = Text(null=False)
    token_hash = Bytea(null=False)
    sealed_token = Text(null=False)
    sealed_credentials = JSONB(null=False, default="{}")
    """What a repair brought before there was an account, such as a signing secret: field -> sealed text."""
    made_for = Text(null=False, default="")
    """Fingerprint of the keys that it was made with; other keys do not get it."""
    created_at = Timestamptz(null=False)


class CheckAllowance(Table, tablename="check_allowance"):
    """When a person ran the checks of a connect form lately."""

    person = BigInt(primary_key=True)
    runs = Array(base_column=Timestamptz(), null=False)


class CheckRun(Table, tablename="check_run"):
    """What the last run of checks found, for a saved connection or for a form that somebody fills in."""

    subject = Text(primary_key=True)
    """`account:<id>`, or `form:<plugin>:<person>`."""
    fingerprint = Text(null=False)
    """Names the exact values that were checked, without telling them."""
    results = Text(null=False, default="{}")
    """Check id -> its result, as JSON text: what a check saw keeps its order."""
    ran_at = Timestamptz(null=False)
