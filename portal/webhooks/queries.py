"""The inbox as its pages show it. Bodies are read for one event alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.contract.facts import Mode
from portal.database.transaction import Connection, connection
from portal.errors import NotFound
from portal.web.keysets import PAGE_SIZE, START, Cursor, Slice, cut, is_first_page_again
from portal.webhooks.attempts import PastAttempt, read_history
from portal.webhooks.conditions import Conditions, conditions_of
from portal.webhooks.filters import EventFilter, EventState

TYPES_SHOWN = 100
MOST_COUNTED = 100
"""Newer events than this are not counted."""
NEWEST_LOOKED_AT = 5_000
"""So many of the newer events are held against the filter, however many came."""


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
    origin: str
    history: tuple[PastAttempt, ...]
    received_at: datetime
    processed_at: datetime | None
    due_at: datetime
    account: int
    account_title: str
    account_state: str
    plugin: str

    @property
    def milliseconds(self) -> int | None:
        """From receipt to the end of the work; None while it is not done."""
        if self.processed_at is None:
            return None
        return max(round((self.processed_at - self.received_at).total_seconds() * 1000), 0)

    @property
    def stage(self) -> str:
        """Another text whenever its page has something else to say."""
        return f"{self.state}-{self.attempts}-{len(self.history)}"

    @property
    def will_retry(self) -> bool:
        """Whether a failed attempt will be repeated by itself."""
        return self.state is EventState.RECEIVED and self.attempts > 0


@dataclass(frozen=True, slots=True)
class LastReplay:
    """The newest replay of many events, for a way back to its page."""

    id: int
    started_at: datetime
    total: int
    waiting: int


@dataclass(frozen=True, slots=True)
class EventAccount:
    """A connection, to filter by."""

    id: int
    plugin: str
    title: str
    mode: Mode
    state: str


async def list_events(
    wanted: EventFilter, cursor: Cursor, *, zone: str = "UTC", size: int = PAGE_SIZE
) -> Slice[EventRow]:
    """Newest first. Days of the filter begin at midnight in `zone`."""
    async with connection() as held:
        conditions = await conditions_of(held, wanted, zone)
        read = await _read_ids(held, conditions, cursor, size)
        if is_first_page_again(read, cursor, size):
            cursor = START
            read = await _read_ids(held, conditions, cursor, size)
        ids = cut(read, cursor, size, id_of=int)
        found = {row.id: row for row in await _rows(held, ids.rows)}
    return Slice(tuple(found[id_] for id_ in ids.rows if id_ in found), ids.newer, ids.older)


async def matching_ids(wanted: EventFilter, *, most: int, zone: str = "UTC") -> list[int]:
    """The newest events of a filter, oldest of them first, and one more than `most` when there are more."""
    async with connection() as held:
        conditions = await conditions_of(held, wanted, zone)
        return (await _read_ids(held, conditions, START, most))[::-1]


async def count_newer(wanted: EventFilter, event_id: int, *, zone: str = "UTC") -> int:
    """How many events of the filter came after this one; at most `MOST_COUNTED`."""
    async with connection() as held:
        found = await conditions_of(held, wanted, zone)
        values = [*found.values, event_id, NEWEST_LOOKED_AT, found.accounts]
        counted: int = await held.fetchval(
            f"""
            SELECT count(*) FROM (
                SELECT id, state, type, account, received_at FROM webhook_event
                WHERE id > ${len(values) - 2} ORDER BY id DESC LIMIT ${len(values) - 1}
            ) newer
            WHERE {found.where} AND (${len(values)}::bigint[] IS NULL OR account = ANY(${len(values)}))
            """,  # noqa: S608 - conditions are ours, their values are bound
            *values,
        )
    return min(counted, MOST_COUNTED)


async def event_types() -> list[str]:
    """The types among the newest thousand events, for the filter."""
    async with connection() as held:
        rows = await held.fetch(_TYPES, TYPES_SHOWN)
    return [row["type"] for row in rows]


async def event_accounts() -> list[EventAccount]:
    """Every connection that has or had events, for the filter."""
    async with connection() as held:
        rows = await held.fetch(_ACCOUNTS)
    return [EventAccount(**{**dict(row), "mode": Mode(row["mode"])}) for row in rows]


async def last_replay() -> LastReplay | None:
    """The newest replay of many, unless it is older than a day."""
    async with connection() as held:
        row = await held.fetchrow(_LAST_REPLAY)
    return LastReplay(**dict(row)) if row else None


async def find_event(event_id: int) -> EventRow:
    """One event, without its body.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held:
        rows = await _rows(held, [event_id])
    if not rows:
        raise NotFound("There is no such event.")
    return rows[0]


async def find_body(event_id: int) -> bytes:
    """The event's body as it came; empty when it was not kept."""
    async with connection() as held:
        return bytes(await held.fetchval("SELECT body FROM webhook_event WHERE id = $1", event_id) or b"")


async def _read_ids(held: Connection, conditions: Conditions, cursor: Cursor, size: int) -> list[int]:
    values = [*conditions.values, cursor.id, size + 1]
    order = f"ORDER BY id {cursor.order} LIMIT ${len(values)}"
    newest = f"""
        SELECT id FROM webhook_event WHERE {conditions.where} AND id {cursor.condition} ${len(values) - 1}
    """  # noqa: S608 - conditions are ours, their values are bound
    if conditions.accounts is None:
        rows = await held.fetch(f"{newest} {order}", *values)
    else:
        # By connection and type the index has the order already: each gives a page, the best are kept.
        each = f"""
            SELECT found.id FROM unnest(${len(values) + 1}::bigint[]) AS given (account) CROSS JOIN LATERAL (
                {newest} AND account = given.account {order}
            ) found {order}
        """  # noqa: S608 - as above
        rows = await held.fetch(each, *values, conditions.accounts)
    return [row["id"] for row in rows]


async def _rows(held: Connection, ids: Sequence[int]) -> list[EventRow]:
    return [_row(row) for row in await held.fetch(_ROWS, list(ids))]


def _row(row: Any) -> EventRow:
    values = dict(row)
    invoice, number = values.pop("invoice_id"), values.pop("invoice_number")
    customer, name = values.pop("customer_id"), values.pop("customer_name")
    values["object_href"], values["object_name"] = "", ""
    if customer:
        values["object_href"], values["object_name"] = f"/customers/{customer}", name
    elif invoice:
        values["object_href"], values["object_name"] = f"/invoices/{invoice}", number or f"Draft {invoice}"
    values["state"] = EventState(values["state"])
    values["history"] = tuple(read_history(values["history"]))
    return EventRow(**values)


# The object itself comes before what it belongs to: a charge leads to the invoice that it pays.
_ROWS = """
SELECT e.id, e.external_id, e.type, e.object_kind, e.object_id, e.mode, e.state, e.attempts, e.error_code,
       e.error_words, e.outcome, e.api_version, e.origin, e.history, e.received_at, e.processed_at, e.due_at,
       e.account, a.title AS account_title, a.state AS account_state, a.plugin,
       i.id AS invoice_id, i.number AS invoice_number, c.id AS customer_id, c.name AS customer_name
FROM webhook_event e JOIN connected_account a ON a.id = e.account
LEFT JOIN customer_link l ON l.account = e.account AND l.external_id = e.object_id AND e.object_id <> ''
LEFT JOIN customer c ON c.id = l.customer
LEFT JOIN LATERAL (
    SELECT coalesce(
        (SELECT id FROM invoice WHERE account = e.account AND external_id = e.object_id),
        (SELECT invoice FROM refund WHERE account = e.account AND external_id = e.object_id),
        (SELECT invoice FROM dispute WHERE account = e.account AND external_id = e.object_id),
        (SELECT invoice FROM payment_attempt WHERE account = e.account AND external_id = e.object_id),
        (SELECT min(invoice) FROM payment WHERE account = e.account AND external_id = e.object_id),
        (SELECT id FROM invoice WHERE account = e.account AND external_id = e.group_id),
        (SELECT invoice FROM payment_attempt WHERE account = e.account AND external_id = e.group_id),
        (SELECT min(invoice) FROM payment WHERE account = e.account AND external_id = e.group_id)
    ) AS invoice
) about ON e.object_id <> ''
LEFT JOIN invoice i ON i.id = about.invoice
WHERE e.id = ANY($1::bigint[])
"""
_TYPES = """
SELECT DISTINCT type FROM (SELECT type FROM webhook_event ORDER BY id DESC LIMIT 1000) newest
ORDER BY type LIMIT $1
"""
_LAST_REPLAY = """
SELECT r.id, r.started_at, cardinality(r.events) AS total,
       (SELECT count(*) FROM webhook_event e
        WHERE e.id = ANY(r.events) AND e.state IN ('received', 'processing')) AS waiting
FROM event_replay r WHERE r.started_at > now() - interval '1 day' ORDER BY r.id DESC LIMIT 1
"""
_ACCOUNTS = """
SELECT a.id, a.plugin, a.title, a.mode, a.state FROM connected_account a
WHERE a.state <> 'disconnected' OR EXISTS (SELECT FROM webhook_event w WHERE w.account = a.id)
ORDER BY a.mode, a.id
"""
