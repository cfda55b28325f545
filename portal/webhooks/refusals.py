"""How many deliveries were refused at a connection's address, by hour and reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.database.transaction import Connection, connection
from portal.sync.gathering import forget_hours


@dataclass(frozen=True, slots=True)
class Refusals:
    """Deliveries that were refused within one hour for one reason."""

    hour: datetime
    reason: str
    """`signature`, `clock`, `unsigned` or `body`."""
    refused: int
    last_at: datetime


async def refusals_since(account_id: int, since: datetime) -> list[Refusals]:
    """What was refused in the hours that had not ended at `since`, newest hour first."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT hour, reason, refused, last_at FROM delivery_refusal
            WHERE account = $1 AND hour > $2::timestamptz - interval '1 hour'
            ORDER BY hour DESC, refused DESC, reason
            """,
            account_id,
            since,
        )
    return [Refusals(**dict(row)) for row in rows]


async def forget_refusals(held: Connection) -> None:
    """Delete what is older than people look back."""
    await forget_hours(held, "delivery_refusal")
