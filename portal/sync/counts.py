"""How often something happened on a connection, by hour: calls, waits, refusals, attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from portal.database.transaction import Connection, connection
from portal.sync.gathering import HourCounts, LaterWrites, forget_hours

_counts = HourCounts("account_count", word="what", number="happened")
_writes = LaterWrites("some counts", _counts.store, waits=lambda: bool(_counts))


@dataclass(frozen=True, slots=True)
class HourCount:
    """How often something happened within one hour."""

    hour: datetime
    what: str
    """`call`, `call_waited`, `call_refused`, `attempt_failed`, `accepted`, `duplicate`, `parked`, …"""
    happened: int
    last_at: datetime


def count_for(account_id: int, what: str, n: int = 1) -> None:
    """Count it for the running hour. Cheap and never in the way; call it where a loop runs."""
    _counts.add(account_id, what, datetime.now(UTC), n)
    _writes.soon()


async def counts_since(account_id: int, since: datetime) -> list[HourCount]:
    """What happened in the hours that had not ended at `since`, newest hour first."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT hour, what, happened, last_at FROM account_count
            WHERE account = $1 AND hour > $2::timestamptz - interval '1 hour' ORDER BY hour DESC, what
            """,
            account_id,
            since,
        )
    return [HourCount(**dict(row)) for row in rows]


async def flush_counts() -> None:
    """Write down what was counted until now; what cannot be written is kept for the next time."""
    await _writes.flush()


async def stop_counts() -> None:
    """Stop writing in the background and write the last ones; called when the process ends."""
    await _writes.stop()


def forget_counts() -> None:
    """Drop what was counted, for tests that empty the tables."""
    _counts.clear()


async def delete_old_counts(held: Connection) -> None:
    """Delete what is older than people look back."""
    await forget_hours(held, "account_count")
