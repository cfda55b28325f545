"""The last day of a connection's deliveries, hour by hour, for its page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from portal.database.transaction import connection

HOURS = 24

# The condition on id leaves out the months before, the one on received_at whatever else is older.
_HOURLY = """
WITH hours AS (
    SELECT $2::timestamptz + make_interval(hours => n) AS hour FROM generate_series(0, $3 - 1) AS n
), arrived AS (
    SELECT date_trunc('hour', received_at, 'UTC') AS hour, count(*) AS accepted,
           count(*) FILTER (WHERE state IN ('parked', 'rejected')) AS failed
    FROM webhook_event
    WHERE account = $1 AND received_at >= $2::timestamptz AND id >= webhook_event_first_id($2::timestamptz)
    GROUP BY 1
), turned_away AS (
    SELECT hour, sum(refused)::bigint AS refused FROM delivery_refusal
    WHERE account = $1 AND hour >= $2::timestamptz GROUP BY 1
)
SELECT hour, coalesce(accepted, 0) AS accepted, coalesce(failed, 0) AS failed, coalesce(refused, 0) AS refused
FROM hours LEFT JOIN arrived USING (hour) LEFT JOIN turned_away USING (hour) ORDER BY hour
"""


@dataclass(frozen=True, slots=True)
class HourOfEvents:
    """One hour, by its beginning."""

    hour: datetime
    accepted: int
    failed: int
    """Accepted, but parked or rejected afterwards."""
    refused: int
    """Not accepted: no event of theirs is stored."""


@dataclass(frozen=True, slots=True)
class DayOfEvents:
    """The last 24 hours, oldest first; the last one is still running."""

    hours: tuple[HourOfEvents, ...]

    @property
    def accepted(self) -> int:
        """Events that were stored."""
        return sum(hour.accepted for hour in self.hours)

    @property
    def failed(self) -> int:
        """Stored events that ended parked or rejected."""
        return sum(hour.failed for hour in self.hours)

    @property
    def refused(self) -> int:
        """Deliveries that were answered 400."""
        return sum(hour.refused for hour in self.hours)


async def last_day(account_id: int) -> DayOfEvents:
    """What came to a connection's address in the last 24 hours."""
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    async with connection() as held:
        rows = await held.fetch(_HOURLY, account_id, this_hour - timedelta(hours=HOURS - 1), HOURS)
    return DayOfEvents(tuple(HourOfEvents(**dict(row)) for row in rows))
