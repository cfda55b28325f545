"""How many deliveries were refused at a connection's address, by hour and reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.contract.errors import RefusalReason
from portal.database.transaction import Connection, connection

KEPT = timedelta(days=30)
Key = tuple[int, datetime, RefusalReason]
"""Connection, hour, reason."""

_ADD = """
INSERT INTO delivery_refusal (account, hour, reason, refused, last_at)
SELECT given.* FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::bigint[], $5::timestamptz[])
    AS given (account, hour, reason, refused, last_at)
JOIN connected_account ON connected_account.id = given.account
ORDER BY 1, 2, 3
ON CONFLICT (account, hour, reason) DO UPDATE
SET refused = delivery_refusal.refused + excluded.refused,
    last_at = greatest(delivery_refusal.last_at, excluded.last_at)
"""  # in one order everywhere, so that two processes never wait for each other


@dataclass(frozen=True, slots=True)
class Refusals:
    """Deliveries that were refused within one hour for one reason."""

    hour: datetime
    reason: str
    """`signature`, `clock`, `unsigned` or `body`."""
    refused: int
    last_at: datetime


class RefusalCounts:
    """Refusals that are not stored yet."""

    def __init__(self) -> None:
        self._counts: dict[Key, tuple[int, datetime]] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, account_id: int, reason: RefusalReason, at: datetime) -> None:
        """Count one."""
        self._merge((account_id, at.replace(minute=0, second=0, microsecond=0), reason), 1, at)

    def clear(self) -> None:
        """Forget all."""
        self._counts.clear()

    async def store(self) -> None:
        """Add them to the table. When that fails they are kept for the next time."""
        taken, self._counts = self._counts, {}
        try:
            if taken:
                await _add(taken)
        except BaseException:
            for key, (refused, last_at) in taken.items():
                self._merge(key, refused, last_at)
            raise

    def _merge(self, key: Key, refused: int, at: datetime) -> None:
        known, last_at = self._counts.get(key, (0, at))
        self._counts[key] = (known + refused, max(last_at, at))


async def _add(counts: dict[Key, tuple[int, datetime]]) -> None:
    keys = list(counts)
    async with connection() as held:
        await held.execute(
            _ADD,
            [account for account, _, _ in keys],
            [hour for _, hour, _ in keys],
            [reason for _, _, reason in keys],
            [counts[key][0] for key in keys],
            [counts[key][1] for key in keys],
        )


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
    await held.execute("DELETE FROM delivery_refusal WHERE hour < now() - $1::interval", KEPT)
