"""A filter of the event log as SQL that its indexes can answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from portal.database.transaction import Connection
from portal.webhooks.filters import EventFilter

MOST_HITS = 1_000
"""An object with more events than this shows its newest ones."""
OUT_OF_ORDER = timedelta(minutes=1)
"""Far more than events that are stored at the same time can swap places."""


@dataclass(slots=True)
class Conditions:
    """Parts of a WHERE about `webhook_event`, and their values."""

    parts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    accounts: list[int] | None = None
    """Connections whose events are looked for one after the other; None: all at once."""

    def add(self, part: str, *values: object) -> None:
        """Add one; `{}` in it stands for each value in turn."""
        places = [f"${len(self.values) + number}" for number in range(1, len(values) + 1)]
        self.parts.append(part.format(*places))
        self.values.extend(values)

    @property
    def where(self) -> str:
        """All of them."""
        return " AND ".join(self.parts) or "true"


async def conditions_of(held: Connection, wanted: EventFilter, zone: str) -> Conditions:
    """The filter, with days as ranges of ids and a search as the ids of events."""
    found = Conditions()
    if wanted.state:
        # Written out, as the indexes of the rare states hold nothing else.
        found.add(f"state = '{wanted.state.value}'")
    if wanted.type or wanted.mode or wanted.account:
        rows = await held.fetch(_ACCOUNTS, wanted.mode, wanted.account)
        accounts = [row["id"] for row in rows]
        if wanted.type:
            found.add("type = {}", wanted.type)
            found.accounts = accounts
        else:
            found.add("account = ANY({}::bigint[])", accounts)
    since, until = wanted.moments(zone)
    if since:
        first = await _first_id_at(held, since - OUT_OF_ORDER)
        found.add("id >= {} AND received_at >= {}", first, since)
    if until:
        after = await _first_id_at(held, until + OUT_OF_ORDER)
        found.add("id < {} AND received_at < {}", after, until)
    if wanted.search:
        found.add("id = ANY({}::bigint[])", await _hits(held, wanted.search))
    return found


async def _hits(held: Connection, search: str) -> list[int]:
    objects = await held.fetch(_OBJECTS, search, search.lower())
    rows = await held.fetch(_HITS, [row["id"] for row in objects], search, MOST_HITS)
    return [row["id"] for row in rows]


async def _first_id_at(held: Connection, at: datetime) -> int:
    """About the first id of that moment: ids rise with time, so halving finds it on the primary key."""
    ends = await held.fetchrow("SELECT min(id) AS low, max(id) AS high FROM webhook_event")
    low, high = (ends["low"] or 0, (ends["high"] or 0) + 1) if ends else (0, 1)
    while low < high:
        middle = (low + high) // 2
        row = await held.fetchrow(_PROBE, middle, at)
        if row is None or not row["earlier"]:
            high = middle
        else:
            low = row["id"] + 1
    return int(low)


_ACCOUNTS = """
SELECT id FROM connected_account WHERE ($1 = '' OR mode = $1) AND ($2::bigint IS NULL OR id = $2)
"""
_PROBE = "SELECT id, received_at < $2 AS earlier FROM webhook_event WHERE id >= $1 ORDER BY id LIMIT 1"
_OBJECTS = """
WITH ours AS (
    SELECT i.id, i.external_id FROM invoice i WHERE lower(i.number) = $2
    UNION SELECT i.id, i.external_id FROM connected_account a
          JOIN invoice i ON i.account = a.id AND i.external_id = $1
)
SELECT $1 AS id
UNION SELECT external_id FROM ours WHERE external_id IS NOT NULL
UNION SELECT p.external_id FROM ours JOIN payment p ON p.invoice = ours.id WHERE p.account IS NOT NULL
UNION SELECT t.external_id FROM ours JOIN payment_attempt t ON t.invoice = ours.id
UNION SELECT r.external_id FROM ours JOIN refund r ON r.invoice = ours.id WHERE r.external_id IS NOT NULL
UNION SELECT d.external_id FROM ours JOIN dispute d ON d.invoice = ours.id
"""
_HITS = """
SELECT newest.id FROM unnest($1::text[]) AS object (id) CROSS JOIN LATERAL (
    SELECT e.id FROM webhook_event e WHERE e.object_id = object.id ORDER BY e.id DESC LIMIT $3
) newest
UNION SELECT event FROM webhook_identity WHERE external_id = $2
"""
