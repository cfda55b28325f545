"""What gathers in memory and is written a little later, so that it costs the work itself nothing.

A process that dies takes the last two seconds of it along: it is for people who look for a cause.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal

from portal.database.transaction import Connection, DatabaseBusy, connection
from portal.queue.connections import DATABASE_FAILED

EVERY_SECONDS = 2.0
LAST_SECONDS = 3.0
"""How long the end of a process may wait for the last of it."""
Key = tuple[int, datetime, str]
"""Connection, hour, word."""
logger = logging.getLogger("portal.sync")

# In one order everywhere, so that two processes never wait for each other.
_ADD = """
INSERT INTO {table} (account, hour, {word}, {number}, last_at)
SELECT given.* FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::bigint[], $5::timestamptz[])
    AS given (account, hour, word, number, last_at)
JOIN connected_account ON connected_account.id = given.account
ORDER BY 1, 2, 3
ON CONFLICT (account, hour, {word}) DO UPDATE
SET {number} = {table}.{number} + excluded.{number}, last_at = greatest({table}.last_at, excluded.last_at)
"""


class HourCounts:
    """Counts by connection, hour and word that are not in their table yet."""

    def __init__(
        self, table: Literal["account_count", "delivery_refusal"], *, word: str, number: str
    ) -> None:
        self._statement = _ADD.format(table=table, word=word, number=number)
        self._counts: dict[Key, tuple[int, datetime]] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, account_id: int, word: str, at: datetime, n: int = 1) -> bool:
        """Count it. Returns whether it is the first of its kind that is not stored yet."""
        key = (account_id, at.replace(minute=0, second=0, microsecond=0), word)
        first = key not in self._counts
        self._merge(key, n, at)
        return first

    def clear(self) -> None:
        """Forget all."""
        self._counts.clear()

    async def store(self) -> None:
        """Add them to the table, without those of connections that are gone. What fails is kept."""
        taken, self._counts = self._counts, {}
        try:
            if taken:
                await self._store(taken)
        except BaseException:
            for key, (n, last_at) in taken.items():
                self._merge(key, n, last_at)
            raise

    def _merge(self, key: Key, n: int, at: datetime) -> None:
        known, last_at = self._counts.get(key, (0, at))
        self._counts[key] = (known + n, max(last_at, at))

    async def _store(self, taken: dict[Key, tuple[int, datetime]]) -> None:
        columns = [
            list(column) for column in zip(*((*key, *value) for key, value in taken.items()), strict=True)
        ]
        async with connection() as held:
            await held.execute(self._statement, *columns)


class LaterWrites:
    """Writes in the background every two seconds, until nothing is left."""

    def __init__(self, name: str, write: Callable[[], Awaitable[None]], *, waits: Callable[[], bool]) -> None:
        """Args: `name` as a sentence begins with it; `waits`: whether there is something to write."""
        self._name, self._write, self._waits = name, write, waits
        self.writers: set[asyncio.Task[None]] = set()

    def soon(self) -> None:
        """Write soon. Cheap and never in the way; call it where a loop runs."""
        if self.writers:
            return
        # In a context of its own: the caller's may hold a connection that goes back to the pool.
        writer = asyncio.get_running_loop().create_task(self._go_on(), context=contextvars.Context())
        self.writers.add(writer)
        writer.add_done_callback(self._ended)

    async def flush(self) -> None:
        """Write down what there is now; what cannot be written is kept by whoever gathers it."""
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self._write()
        except (DatabaseBusy, *DATABASE_FAILED) as error:
            logger.warning("%s are not written yet: %s", self._name, type(error).__name__)

    async def stop(self) -> None:
        """Stop writing in the background and write the last; called when the process ends."""
        writers = list(self.writers)
        for writer in writers:
            writer.cancel()
        if writers:
            await asyncio.wait(writers, timeout=LAST_SECONDS)
        await self.flush()

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.flush()
            if not self._waits():
                self.writers.clear()  # at once, so that the next to come starts another
                return

    def _ended(self, writer: asyncio.Task[None]) -> None:
        self.writers.discard(writer)
        if not writer.cancelled() and (error := writer.exception()):
            logger.error("%s are not written: %s", self._name, type(error).__name__)


async def forget_hours(held: Connection, table: Literal["account_count", "delivery_refusal"]) -> None:
    """Delete what is older than people look back."""
    await held.execute(f"DELETE FROM {table} WHERE hour < now() - interval '30 days'")  # noqa: S608 - one of two
