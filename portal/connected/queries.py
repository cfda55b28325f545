"""A saved connection as its page shows it: who entered what, what is off, how far sync is, what is silent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncpg import Record

from portal.accounts.overlaps import (
    is_safe_to_remove,
)
from portal.accounts.services import AccountSummary
from portal.contract.plugin import Plugin
from portal.database.transaction import connection

SILENT_AFTER = timedelta(hours=24)
DETAIL = """
    SELECT a.shown_credentials, a.credentials_noted, a.features_off, a.previous_until, a.previous_used_at,
           a.secret_used_at, a.verified_at, a.options,
           (SELECT count(*) FROM (SELECT FROM invoice i WHERE i.account = a.id AND i.sync_state = 'in_step'
              LIMIT 10001) t) AS in_step,
           (SELECT count(*) FROM (SELECT FROM sync_task t WHERE t.account = a.id
              AND t.state IN ('waiting', 'sending', 'unknown') LIMIT 10001) t) AS waiting,
           (SELECT count(*) FROM (SELECT FROM sync_task t WHERE t.account = a.id AND t.state = 'failed'
              LIMIT 10001) t) AS failed,
           (SELECT count(*) FROM sync_difference d WHERE d.account = a.id AND d.state = 'open'
              AND d.kind = 'conflict') AS conflicts,
           (SELECT max(t.finished_at) FROM sync_task t
             WHERE t.account = a.id AND t.state = 'done') AS sent_at,
           EXISTS (SELECT 1 FROM payment p WHERE p.account = a.id
              AND p.recorded_at > now() - interval '30 days')
           OR EXISTS (SELECT 1 FROM invoice i WHERE i.account = a.id AND i.external_id IS NOT NULL
              AND i.status IN ('open', 'processing', 'partly_paid')) AS expects_events
    FROM connected_account a WHERE a.id = $1
"""


@dataclass(frozen=True, slots=True)
class CredentialLine:
    """A saved credential as far as people may see it."""

    label: str
    shown: str
    entered_by: str
    entered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Overlap:
    """A signing secret that was replaced and is still accepted."""

    until: datetime
    previous_used_at: datetime | None
    safe: bool
    both_deliver: bool
    """The old secret's endpoint delivers too, until it is deleted with the secret."""


@dataclass(frozen=True, slots=True)
class FeatureLine:
    """Something the connection makes possible, or why not."""

    title: str
    off: str
    ready: bool


@dataclass(frozen=True, slots=True)
class ConnectionDetail:
    """Everything of one connection that its page needs beside the summary."""

    credentials: tuple[CredentialLine, ...]
    features: tuple[FeatureLine, ...]
    overlap: Overlap | None
    secret_used_at: datetime | None
    verified_at: datetime | None
    in_step: int
    waiting: int
    failed: int
    conflicts: int
    sent_at: datetime | None
    silent_since: datetime | None
    """Since when no event arrived although some were to be expected; None: nothing is amiss."""

    @property
    def features_off(self) -> int:
        """How many features the credentials do not allow."""
        return sum(bool(feature.off) for feature in self.features)


async def connection_detail(account: AccountSummary, plugin: Plugin) -> ConnectionDetail:
    """One connection's details in one query."""
    async with connection() as held:
        row = await held.fetchrow(DETAIL, account.id)
    assert row is not None  # noqa: S101 - its summary was just read, and rows are never deleted
    return ConnectionDetail(
        credentials=_credentials(row, plugin, account),
        features=_features(row, plugin),
        overlap=_overlap(row),
        secret_used_at=row["secret_used_at"],
        verified_at=row["verified_at"],
        in_step=row["in_step"],
        waiting=row["waiting"],
        failed=row["failed"],
        conflicts=row["conflicts"],
        sent_at=row["sent_at"],
        silent_since=silent_since(account, expects_events=row["expects_events"], now=datetime.now(UTC)),
    )


def silent_since(account: AccountSummary, *, expects_events: bool, now: datetime) -> datetime | None:
    """Since when the webhook is silent although payments exist; None when nothing is amiss."""
    last = max(filter(None, (account.last_event_at, account.connected_at)))
    return last if expects_events and now - last > SILENT_AFTER else None


def _credentials(row: Record, plugin: Plugin, account: AccountSummary) -> tuple[CredentialLine, ...]:
    shown, noted = json.loads(row["shown_credentials"]), json.loads(row["credentials_noted"])
    return tuple(
        CredentialLine(spec.label, shown[spec.name], *_entered(noted.get(spec.name), account))
        for spec in plugin.credentials
        if spec.name in shown
    )


def _entered(noted: dict[str, Any] | None, account: AccountSummary) -> tuple[str, datetime | None]:
    if noted is None:
        return account.connected_by, account.connected_at
    return noted["by"], datetime.fromisoformat(noted["at"])


def _features(row: Record, plugin: Plugin) -> tuple[FeatureLine, ...]:
    off: dict[str, str] = json.loads(row["features_off"])
    return tuple(FeatureLine(f.title, off.get(f.id, ""), f.ready) for f in plugin.features)


def _overlap(row: Record) -> Overlap | None:
    if row["previous_until"] is None:
        return None
    both = bool(json.loads(row["options"]).get("both_deliver"))
    safe = is_safe_to_remove(row["previous_used_at"], row["secret_used_at"], both_deliver=both)
    return Overlap(row["previous_until"], row["previous_used_at"], safe, both)
