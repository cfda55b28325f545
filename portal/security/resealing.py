"""Sealing again with the primary key what an older key sealed, in small transactions, while the portal runs.

What is left to do is asked of the rows themselves, so a run that died is continued by any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict
from portal.failpoints import Failpoint, reach
from portal.security.keyrings import Keyring
from portal.security.places import SEALED_PLACES, Place
from portal.security.sealing import SealBroken, open_sealed, seal

BATCH = 200
PAUSE_SECONDS = 0.2
MOST_PAUSES = 150
"""Half a minute without getting a single row."""

Progress = Callable[[Place, int, int], None]
"""Told after each batch: where, how many texts are done there, and of how many."""


class RowsInUse(Conflict):
    """Other transactions hold what is left, and do not let go."""

    code = "ROWS_IN_USE"


@dataclass(slots=True)
class Resealed:
    """What a run did."""

    texts: int = 0
    broken: dict[Place, set[int]] = field(default_factory=dict)
    """Ids of rows with a text that does not open; it was left as it is."""


async def count_older(held: Connection, place: Place, primary: str, *, but: tuple[int, ...] = ()) -> int:
    """How many texts of a place another key than the primary one sealed."""
    found: int = await held.fetchval(
        f"""
        SELECT count(*) FROM {place.table} AS held, {place.texts}
        WHERE held.id <> ALL($2::bigint[]) AND sealed.text <> '' AND split_part(sealed.text, '.', 2) <> $1
        """,  # noqa: S608 - constants
        primary,
        list(but),
    )
    return found


async def reseal_all(ring: Keyring, progress: Progress) -> Resealed:
    """Seal everything that lasts with the ring's primary key, in batches; may be run again at any time.

    Raises:
        RowsInUse: rows stayed locked by others; what was done is done.
    """
    done = Resealed()
    for place in SEALED_PLACES:
        if place.lasting:
            await _reseal_place(place, ring, done, progress)
    return done


async def _reseal_place(place: Place, ring: Keyring, done: Resealed, progress: Progress) -> None:
    async with connection() as held:
        total = await count_older(held, place, ring.primary)
    before, pauses = done.texts, 0
    while await _older_left(place, ring, done):
        sealed = await _pass_over(place, ring, done, lambda: progress(place, done.texts - before, total))
        pauses = 0 if sealed else pauses + 1
        if pauses > MOST_PAUSES:
            raise RowsInUse(
                f"Rows of {place.table} have been in use for half a minute.",
                hint="Run it again: it goes on where it stopped.",
            )
        if not sealed:
            await asyncio.sleep(PAUSE_SECONDS)


async def _older_left(place: Place, ring: Keyring, done: Resealed) -> int:
    async with connection() as held:
        return await count_older(held, place, ring.primary, but=tuple(done.broken.get(place, ())))


async def _pass_over(place: Place, ring: Keyring, done: Resealed, tell: Callable[[], None]) -> int:
    """Once over the rows in the order of their ids; those that others hold are left for the next pass."""
    last_id, before = 0, done.texts
    while rows := await _reseal_batch(place, ring, done, after=last_id):
        last_id = rows[-1]
        tell()
    return done.texts - before


async def _reseal_batch(place: Place, ring: Keyring, done: Resealed, *, after: int) -> list[int]:
    async with transaction() as tx:
        rows = await _take_rows(tx.connection, place, ring.primary, after)
        changes = [_sealed_again(place, row, ring) for row in rows]
        await tx.connection.executemany(
            f"UPDATE {place.table} SET {place.column} = $2 WHERE id = $1",  # noqa: S608 - constants
            [(change.row_id, place.stored(change.texts)) for change in changes if change.sealed],
        )
        if rows:
            reach(Failpoint.RESEALING_WRITTEN)
    done.texts += sum(change.sealed for change in changes)
    done.broken.setdefault(place, set()).update(change.row_id for change in changes if change.broken)
    if rows:
        reach(Failpoint.RESEALING_COMMITTED)
    return [change.row_id for change in changes]


async def _take_rows(held: Connection, place: Place, primary: str, after: int) -> list[Any]:
    """Lock the next rows that need it. Never waiting for a lock, it can be in nobody's way for long.

    NO KEY: rows that refer to these, such as the events of a connection, are stored meanwhile.
    """
    found: list[Any] = await held.fetch(
        f"""
        SELECT {place.columns}, held.{place.column} FROM {place.table} AS held
        WHERE held.id > $1 AND EXISTS (SELECT FROM {place.texts}
              WHERE sealed.text <> '' AND split_part(sealed.text, '.', 2) <> $2)
        ORDER BY held.id LIMIT $3 FOR NO KEY UPDATE OF held SKIP LOCKED
        """,  # noqa: S608 - constants
        after,
        primary,
        BATCH,
    )
    return found


@dataclass(frozen=True, slots=True)
class _Change:
    row_id: int
    texts: dict[str, str]
    sealed: int
    broken: bool


def _sealed_again(place: Place, row: Mapping[str, Any], ring: Keyring) -> _Change:
    texts = place.texts_of(row)
    older = {name: text for name, text in texts.items() if text and _is_older(text, ring)}
    fresh, broken = {}, False
    for name, text in older.items():
        context = place.context(row, name)
        try:
            fresh[name] = seal(
                open_sealed(text, context=context, keyring=ring), context=context, keyring=ring
            )
        except SealBroken:
            broken = True
    return _Change(row["id"], {**texts, **fresh}, len(fresh), broken)


def _is_older(text: str, ring: Keyring) -> bool:
    return text.split(".")[1:2] != [ring.primary]
