"""The difference between two snapshots, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from babel.dates import format_date, format_datetime

from portal.exchange.snapshots import Seen, Snapshot
from portal.money import Money


@dataclass(frozen=True, slots=True)
class Change:
    """One value that would change. An empty text is shown as nothing there."""

    what: str
    """`Invoice INV-0042`, `Payment pi_1`."""
    field: str
    before: str
    after: str
    new: bool = False
    """The row is not there yet."""


def changes_between(before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """Every value that differs, row by row in the order in which people think of them."""
    found: list[Change] = []
    for key, row in after.items():
        found += _changes(before.get(key), row)
    for key, row in before.items():
        if key not in after:
            found += [Change(row.title, name, show(value), "") for name, value in row.values.items()]
    return tuple(change for change in found if change.before != change.after)


def show(value: Any) -> str:
    """A value as it stands in a list of differences."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case (int() as minor, str() as currency):
            return Money(minor, currency).format()
        case datetime():
            return format_datetime(value.astimezone(UTC), "d MMM y, HH:mm:ss 'UTC'", locale="en")
        case date():
            return format_date(value, "d MMM y", locale="en")
    return str(value)


def _changes(old: Seen | None, row: Seen) -> list[Change]:
    before = old.values if old else {}
    return [
        Change(row.title, name, show(before.get(name)), show(value), new=old is None)
        for name, value in row.values.items()
    ]
