"""One at a time for each object: a turn within the process, a lock among processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg

from portal.contract.errors import ProviderUnavailable
from portal.database.engine import reset_afterwards
from portal.database.transaction import Connection, connection

LOCK_SECONDS = 12
"""Shorter than the statement timeout, which would end the wait with another error."""


HOLD = "hold_object($1, $2, $3)"
"""Waits for the lock and is the moment since when it is held."""
UNTIL_COMMIT = """
CASE WHEN (pg_advisory_xact_lock($1::int, hashtext($2)) IS NULL) IS NOT NULL
     THEN pg_advisory_unlock($1::int, hashtext($2)) END
"""
"""Lets the transaction hold the lock instead of the session, without a gap: nobody has to end it then."""


class ObjectBusy(ProviderUnavailable):
    """Another worker has held the object for too long; try again."""

    code = "OBJECT_BUSY"


T = TypeVar("T")


@asynccontextmanager
async def object_lock(account_id: int, object_key: str) -> AsyncIterator[Connection]:
    """Hold the per-object lock on a connection; it ends with the connection, also when the worker is killed.

    Those of one process queue up in the process, so that waiting costs no connection.
    `connection()` inside is the same connection: do not run queries side by side in here.

    Raises:
        ObjectBusy: somebody held it for `LOCK_SECONDS`.
    """

    async def take(held: Connection) -> None:
        await held.execute(f"SELECT {HOLD}", *lock_values(account_id, object_key))

    async with turn(account_id, object_key), lock(take) as (held, _):
        yield held


@asynccontextmanager
async def lock(take: Callable[[Connection], Awaitable[T]]) -> AsyncIterator[tuple[Connection, T]]:
    """The part of `object_lock` that keeps other processes out. Take the turn first.

    `take`: runs the statement with `HOLD` in it, which may ask for more; what it returns is handed out.
    """
    async with connection() as held:
        reset_afterwards(held)  # that ends the lock
        try:
            taken = await take(held)
        except asyncpg.LockNotAvailableError:
            raise ObjectBusy("Another worker is busy with the same object.", retry_after=5) from None
        yield held, taken


def lock_values(account_id: int, object_key: str) -> tuple[int, str, float]:
    """The first three values of a statement with `HOLD`; the first two of one with `UNTIL_COMMIT`."""
    return account_id % 2**31, object_key, float(LOCK_SECONDS)


_turns: dict[tuple[int, str], tuple[asyncio.Lock, int]] = {}


@asynccontextmanager
async def turn(account_id: int, object_key: str) -> AsyncIterator[None]:
    """The part of `object_lock` that lets those of this process come one after the other."""
    key = (account_id, object_key)
    mutex, waiting = _turns.get(key, (asyncio.Lock(), 0))
    _turns[key] = (mutex, waiting + 1)
    try:
        async with asyncio.timeout(LOCK_SECONDS):
            await mutex.acquire()
    except TimeoutError:
        _leave(key)
        raise ObjectBusy("This process is busy with the same object.", retry_after=5) from None
    except BaseException:
        _leave(key)
        raise
    try:
        yield
    finally:
        mutex.release()
        _leave(key)


def _leave(key: tuple[int, str]) -> None:
    mutex, waiting = _turns.pop(key)
    if waiting > 1:
        _turns[key] = (mutex, waiting - 1)
