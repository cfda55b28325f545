"""The audit log: one chain of entries, each sealed with the hash of the one before."""

from __future__ import annotations

import functools
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from asyncpg import Record

from portal.database.transaction import Connection, connection
from portal.security.keyrings import current_keyring
from portal.security.redaction import redact, redact_value
from portal.web.live import CHANNEL
from portal.web.request import PortalRequest
from portal.web.visitors import address_of

CHAIN_LOCK = 0x61756469  # "audi": any number, as long as every process uses the same
GENESIS = bytes(32)
DETAILS = 8
"""Where the details stand in a row."""
BATCH = 500
COLUMNS = (
    "id, at, actor_kind, actor_id, actor_name, action, words, object_kind, object_id, mode, details, "
    "address, previous_hash, hash"
)
_HOLD = (
    "SELECT hold_audit_head($1), ARRAY(SELECT pg_notify($2, topic)::text FROM unnest($3::text[]) AS topic)"
)
BY_OBJECT = (
    f"SELECT {COLUMNS} FROM audit_entry WHERE object_kind = $1 AND object_id = $2 "  # noqa: S608 - constant
    "ORDER BY id DESC LIMIT $3"
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it. `kind`: person, plugin, provider, customer or system."""

    kind: str
    id: str
    name: str
    address: str = ""


SYSTEM = Actor("system", "", "Portal")


@dataclass(frozen=True, slots=True)
class Note:
    """An entry that is still to be written. `subject`: kind and id of the object."""

    actor: Actor
    action: str
    """A stable dotted name, such as `account.connected`."""
    words: str
    subject: tuple[str, str | int] = ("", "")
    mode: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    id: int
    at: datetime
    actor: Actor
    action: str
    words: str
    object_kind: str
    object_id: str
    mode: str | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found. `broken_at`: the first entry that does not fit; `head`: the last good hash."""

    entries: int
    head: str
    broken_at: int | None = None
    reason: str = ""

    @property
    def intact(self) -> bool:
        """Whether every entry is as it was written."""
        return self.reason == ""


def person_actor(request: PortalRequest) -> Actor:
    """The signed-in person, with the address the request came from."""
    person = request.user
    return Actor("person", str(person.person_id), person.name, address_of(request))


async def record(  # noqa: PLR0913 - an entry has this many parts
    held: Connection,
    *,
    actor: Actor,
    action: str,
    words: str,
    subject: tuple[str, str | int] | None = None,
    mode: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> int:
    """Add an entry in the caller's transaction; it exists when that commits.

    Take it last: writers of the log wait for each other until they commit.

    Args:
        held: a connection with an open transaction.
        actor: who.
        action: a stable dotted name, such as `account.connected`.
        words: the same as a sentence.
        subject: kind and id of the object.
        mode: `test` or `live` where it matters.
        details: before and after values, never secrets (redaction is only the second line).

    Returns:
        The entry's id.
    """
    return await write_notes(held, [Note(actor, action, words, subject or ("", ""), mode, details or {})])


async def write_notes(held: Connection, notes: Sequence[Note], topics: Sequence[str] = ()) -> int:
    """Add one or more entries in their order, like `record`; returns the id of the last.

    `topics`: what open pages are told of as well, once the transaction commits.
    """
    contents = [_content(note) for note in notes]
    previous = await held.fetchval(_HOLD, CHAIN_LOCK, CHANNEL, list(topics)) or GENESIS
    at, rows = datetime.now(UTC), []
    for content in contents:
        sealed = _hash(at, content, previous)
        rows.append((*content.values(), previous, sealed))
        previous = sealed
    return await _append(held, at, rows)


def _content(note: Note) -> dict[str, Any]:
    return {
        "actor_kind": note.actor.kind,
        "actor_id": note.actor.id,
        "actor_name": redact(note.actor.name),
        "action": note.action,
        "words": redact(note.words),
        "object_kind": note.subject[0],
        "object_id": str(note.subject[1]),
        "mode": note.mode,
        "details": {key: redact_value(key, value) for key, value in note.details.items()},
        "address": note.actor.address,
    }


async def timeline(object_kind: str, object_id: str | int, *, limit: int = 50) -> list[Entry]:
    """What happened to one object, newest first."""
    async with connection() as held:
        rows = await held.fetch(
            BY_OBJECT,
            object_kind,
            str(object_id),
            limit,
        )
    return [to_entry(row) for row in rows]


async def verify(*, expected_head: str | None = None) -> Verification:
    """Walk the whole chain.

    Args:
        expected_head: a hash noted earlier. The log must still hold it: without one, missing entries at the
            very end cannot be noticed.
    """
    previous, count, last_id = GENESIS, 0, 0
    head_seen = expected_head in (None, GENESIS.hex())
    async with connection() as held, held.transaction(isolation="repeatable_read", readonly=True):
        while rows := await held.fetch(
            f"SELECT {COLUMNS} FROM audit_entry WHERE id > $1 ORDER BY id LIMIT $2",  # noqa: S608 - constants
            last_id,
            BATCH,
        ):
            for row in rows:
                if problem := _problem(row, previous):
                    return Verification(count, previous.hex(), row["id"], problem)
                previous, count, last_id = row["hash"], count + 1, row["id"]
                head_seen = head_seen or expected_head == previous.hex()
    if not head_seen:
        return Verification(count, previous.hex(), None, "the entry with the given head is gone")
    return Verification(count, previous.hex())


def to_entry(row: Record) -> Entry:
    """A row as pages and services see it."""
    actor = Actor(row["actor_kind"], row["actor_id"], row["actor_name"], row["address"])
    return Entry(
        row["id"],
        row["at"],
        actor,
        row["action"],
        row["words"],
        row["object_kind"],
        row["object_id"],
        row["mode"],
        json.loads(row["details"]),
    )


async def _append(held: Connection, at: datetime, rows: Sequence[tuple[Any, ...]]) -> int:
    columns = [list(column) for column in zip(*rows, strict=True)]
    columns[DETAILS] = [json.dumps(details) for details in columns[DETAILS]]
    added = await held.fetch(
        """
        INSERT INTO audit_entry (at, actor_kind, actor_id, actor_name, action, words, object_kind, object_id,
                                 mode, details, address, previous_hash, hash)
        SELECT $1, kind, id, name, action, words, object_kind, object_id, mode, details, address, before, hash
        FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                    $9::text[], $10::jsonb[], $11::text[], $12::bytea[], $13::bytea[])
             WITH ORDINALITY AS n(kind, id, name, action, words, object_kind, object_id, mode, details,
                                  address, before, hash, place)
        ORDER BY place RETURNING id
        """,
        at,
        *columns,
    )
    return max(int(row["id"]) for row in added)


def _problem(row: Record, previous: bytes) -> str:
    if row["previous_hash"] != previous:
        return "an entry before it was removed or moved"
    names = ("actor_kind", "actor_id", "actor_name", "action", "words", "object_kind", "object_id", "mode")
    content = {name: row[name] for name in names}
    content |= {"details": json.loads(row["details"]), "address": row["address"]}
    return "" if hmac.compare_digest(row["hash"], _hash(row["at"], content, previous)) else "it was changed"


def _hash(at: datetime, content: Mapping[str, Any], previous: bytes) -> bytes:
    text = json.dumps(
        {**content, "at": at.astimezone(UTC).isoformat(timespec="microseconds")},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hmac.digest(_chain_key(), previous + text.encode(), "sha256")


@functools.cache
def _chain_key() -> bytes:
    """Somebody with the database alone can cut the log short, but not rewrite it."""
    return current_keyring().derive("audit")
