"""What the event log shows, as it stands in an address. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import MAXYEAR, MINYEAR, date, datetime, time, timedelta
from enum import StrEnum
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

LONGEST = 255
FIELDS = ("status", "kind", "mode", "account", "from", "to", "q")
"""The names that a filter has in addresses and forms."""


class EventState(StrEnum):
    """Where an event stands. Their values stand in addresses."""

    RECEIVED = "received"
    PROCESSING = "processing"
    PROCESSED = "processed"
    IGNORED = "ignored"
    PARKED = "parked"
    REJECTED = "rejected"

    @property
    def label(self) -> str:
        """The word for people: a parked event has failed for good and waits for somebody."""
        return "Failed" if self is EventState.PARKED else self.value.capitalize()


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; empty fields allow all. Days are the viewer's, both included."""

    state: EventState | None = None
    type: str = ""
    mode: str = ""
    account: int | None = None
    since: date | None = None
    until: date | None = None
    search: str = ""
    """A whole id of an event or object, or the number of an invoice."""

    @property
    def values(self) -> dict[str, str]:
        """The fields that are set, by their names in addresses."""
        given = (
            self.state,
            self.type,
            self.mode,
            self.account,
            self.since,
            self.until,
            self.search,
        )
        return {name: str(value) for name, value in zip(FIELDS, given, strict=True) if value}

    def __bool__(self) -> bool:
        return bool(self.values)

    def href(self, path: str = "/webhook-events", **more: str) -> str:
        """An address with this filter and other values that are not empty."""
        query = urlencode(self.values | {name: value for name, value in more.items() if value})
        return f"{path}?{query}" if query else path

    @property
    def key(self) -> str:
        """The filter as part of an element's id."""
        return f"{zlib.crc32(self.href().encode()):x}"

    def only(self, state: EventState) -> EventFilter:
        """The same, but for the state."""
        return replace(self, state=state)

    def moments(self, zone: str) -> tuple[datetime | None, datetime | None]:
        """The first moment and the first one after, in the viewer's zone."""
        after = self.until + timedelta(days=1) if self.until else None
        return _midnight(self.since, zone), _midnight(after, zone)


def read_filter(values: Mapping[str, str]) -> EventFilter:
    """The filter of an address or a form; what cannot be read is left out."""
    found = {name: values.get(name, "").replace("\0", "").strip()[:LONGEST] for name in FIELDS}
    return EventFilter(
        state=EventState(found["status"]) if found["status"] in list(EventState) else None,
        type=found["kind"],
        mode=found["mode"] if found["mode"] in ("test", "live") else "",
        account=_number(found["account"]),
        since=_day(found["from"]),
        until=_day(found["to"]),
        search=found["q"],
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # The midnights around such a day may lie outside of the calendar.
    return None if day.year in (MINYEAR, MAXYEAR) else day


def _midnight(day: date | None, zone: str) -> datetime | None:
    return datetime.combine(day, time.min, ZoneInfo(zone)) if day else None
