"""The inbox as its pages show it. Bodies are read for one event alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from portal.database.transaction import Connection, connection
from portal.errors import NotFound
from portal.security.redaction import redact_value
from portal.web.keysets import PAGE_SIZE, START, Cursor, Slice, cut, is_first_page_again

PAYLOAD_LIMIT = 200_000
TYPES_SHOWN = 100


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
    """What the list shows; empty fields show all."""

    state: EventState | None = None
    type: str = ""


@dataclass(frozen=True, slots=True)
class EventRow:
    """A line of the event log. `object_href` leads to our page of the object, when there is one."""

    id: int
    external_id: str
    type: str
    object_kind: str
    object_id: str
    object_href: str
    object_name: str
    mode: str
    state: EventState
    attempts: int
    error_code: str
    error_words: str
    outcome: str
    api_version: str | None
    received_at: datetime
    processed_at: datetime | None
    due_at: datetime
    account_title: str
    plugin: str

    @property
    def milliseconds(self) -> int | None:
        """From receipt to the end of the work; None while it is not done."""
        if self.processed_at is None:
            return None
        return max(round((self.processed_at - self.received_at).total_seconds() * 1000), 0)

    @property
    def will_retry(self) -> bool:
        """Whether a failed attempt will be repeated by itself."""
        return self.state is EventState.RECEIVED and self.attempts > 0


async def list_events(wanted: EventFilter, cursor: Cursor, *, size: int = PAGE_SIZE) -> Slice[EventRow]:
    """Newest first."""
    async with connection() as held:
        read = await _read(held, wanted, cursor, size)
        if is_first_page_again(read, cursor, size):
            cursor = START
            read = await _read(held, wanted, cursor, size)
    return cut(read, cursor, size, id_of=lambda row: row.id)


async def event_types() -> list[str]:
    """The types among the newest thousand events, for the filter."""
    async with connection() as held:
        rows = await held.fetch(_TYPES, TYPES_SHOWN)
    return [row["type"] for row in rows]


async def find_event(event_id: int) -> EventRow:
    """One event, without its body.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held:
        row = await held.fetchrow(f"{_COLUMNS} WHERE e.id = $1", event_id)
    if row is None:
        raise NotFound("There is no such event.")
    return _row(row)


async def readable_payload(event_id: int) -> str:
    """The event as indented JSON without anything that opens something; not meant for checking signatures."""
    async with connection() as held:
        body = await held.fetchval("SELECT body FROM webhook_event WHERE id = $1", event_id)
    try:
        payload = json.loads(body or b"")
    except ValueError:
        return "The body is not JSON."
    text = json.dumps(redact_value("payload", payload), indent=2, ensure_ascii=False)
    return (
        text
        if len(text) <= PAYLOAD_LIMIT
        else f"{text[:PAYLOAD_LIMIT]}\n… cut after {PAYLOAD_LIMIT:,} characters"
    )


async def _read(held: Connection, wanted: EventFilter, cursor: Cursor, size: int) -> list[EventRow]:
    rows = await held.fetch(
        f"""
        {_COLUMNS} WHERE e.id {cursor.condition} $1 AND ($3::text IS NULL OR e.state = $3)
            AND ($4::text IS NULL OR e.type = $4)
        ORDER BY e.id {cursor.order} LIMIT $2
        """,
        cursor.id,
        size + 1,
        wanted.state.value if wanted.state else None,
        wanted.type or None,
    )
    return [_row(row) for row in rows]


def _row(row: Any) -> EventRow:
    values = dict(row)
    invoice_id, number = values.pop("invoice_id"), values.pop("invoice_number")
    customer_id, customer_name = values.pop("customer_id"), values.pop("customer_name")
    href, name = "", ""
    if invoice_id:
        href, name = f"/invoices/{invoice_id}", number or f"Draft {invoice_id}"
    elif customer_id:
        href, name = f"/customers/{customer_id}", customer_name
    return EventRow(**{**values, "state": EventState(values["state"])}, object_href=href, object_name=name)


_COLUMNS = """
SELECT e.id, e.external_id, e.type, e.object_kind, e.object_id, e.mode, e.state, e.attempts, e.error_code,
       e.error_words, e.outcome, e.api_version, e.received_at, e.processed_at, e.due_at,
       a.title AS account_title, a.plugin, i.id AS invoice_id, i.number AS invoice_number,
       c.id AS customer_id, c.name AS customer_name
FROM webhook_event e JOIN connected_account a ON a.id = e.account
LEFT JOIN invoice i ON i.account = e.account AND i.external_id = e.object_id AND e.object_id <> ''
LEFT JOIN customer_link l ON l.account = e.account AND l.external_id = e.object_id AND e.object_id <> ''
LEFT JOIN customer c ON c.id = l.customer
"""
_TYPES = """
SELECT DISTINCT type FROM (SELECT type FROM webhook_event ORDER BY id DESC LIMIT 1000) newest
ORDER BY type LIMIT $1
"""
