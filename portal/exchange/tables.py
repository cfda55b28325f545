"""Which events were handled again together, and what is wrong with a connection."""

from __future__ import annotations

from piccolo.columns import JSONB, Array, BigInt, BigSerial, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from portal.accounts.tables import ConnectedAccount


class EventReplay(Table, tablename="event_replay"):
    """A replay of many events. How far it is stands on the events themselves."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    events = Array(base_column=BigInt(), null=False)
    """Those that were put back."""
    refused = JSONB(null=False, default="{}")
    """Event id -> why it was left as it is."""
    started_by = Text(null=False)
    started_at = Timestamptz(null=False)


class HealthAlarm(Table, tablename="health_alarm"):
    """Something is wrong with a connection now. The row goes when the cause does."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    account = ForeignKey(ConnectedAccount, null=False, on_delete=OnDelete.restrict)
    code = Text(null=False)
    words = Text(null=False)
    raised_at = Timestamptz(null=False)
