"""What comparisons found: the objects that differ, each with its values, for the page of an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from portal.database.transaction import connection

MOST_SHOWN = 50
HREFS = {"invoice": "/invoices/{}", "customer": "/customers/{}", "subscription": "/subscriptions/{}"}


@dataclass(frozen=True, slots=True)
class ReportedValue:
    """One value that differs."""

    field: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class ReportedObject:
    """An object that is not the same on both sides."""

    key: str
    name: str
    """`INV-0042`, or the provider's id."""
    href: str
    """Its page here; empty: the portal has none."""
    cause: str
    rule: str
    can_repair: bool
    values: tuple[ReportedValue, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The objects that differ now, newest first, and whether there are more."""

    objects: tuple[ReportedObject, ...]
    more: bool
    conflicts: int
    """Values that both sides changed, which wait for a person's choice."""

    @property
    def can_repair(self) -> bool:
        """Whether any of it can be repaired without a choice."""
        return any(one.can_repair for one in self.objects)


async def open_report(account_id: int) -> Report:
    """What is open of an account."""
    async with connection() as held:
        rows = await held.fetch(_OPEN, account_id, MOST_SHOWN + 1)
        conflicts = await held.fetchval(
            """
            SELECT count(*) FROM sync_difference WHERE account = $1 AND state = 'open' AND kind = 'conflict'
            """,
            account_id,
        )
    groups: dict[str, list[Any]] = {}
    for row in rows:
        groups.setdefault(f"{row['subject_kind']}:{row['external_id']}", []).append(row)
    shown = tuple(_object(key, found) for key, found in groups.items())
    return Report(shown[:MOST_SHOWN], len(shown) > MOST_SHOWN, conflicts)


async def may_be_repaired(account_id: int, key: str) -> bool:
    """Whether the report has something of this object that the provider's side decides."""
    async with connection() as held:
        found: bool = await held.fetchval(
            """
            SELECT EXISTS (SELECT FROM sync_difference
                           WHERE account = $1 AND kind = 'drift' AND state = 'open' AND trusted = 'theirs'
                                 AND subject_kind || ':' || external_id = $2)
            """,
            account_id,
            key,
        )
    return found


_OPEN = """
WITH newest AS (
    SELECT external_id, max(id) AS last FROM sync_difference
    WHERE account = $1 AND state = 'open' AND kind = 'drift' GROUP BY external_id ORDER BY last DESC LIMIT $2
)
SELECT d.subject_kind, d.subject_id, d.external_id, d.field, d.ours, d.theirs, d.cause, d.rule, d.trusted,
       CASE d.subject_kind
           WHEN 'invoice' THEN (SELECT number FROM invoice WHERE id = d.subject_id)
           WHEN 'customer' THEN (SELECT name FROM customer WHERE id = d.subject_id) END AS name
FROM newest JOIN sync_difference d ON d.account = $1 AND d.external_id = newest.external_id
     AND d.state = 'open' AND d.kind = 'drift'
ORDER BY newest.last DESC, d.id
"""


def _object(key: str, rows: Sequence[Any]) -> ReportedObject:
    first = rows[0]
    href = HREFS.get(first["subject_kind"], "") if first["subject_id"] else ""
    return ReportedObject(
        key,
        first["name"] or first["external_id"],
        href.format(first["subject_id"]),
        first["cause"],
        first["rule"],
        any(row["trusted"] == "theirs" for row in rows),
        tuple(ReportedValue(row["field"], row["ours"], row["theirs"]) for row in rows),
    )
