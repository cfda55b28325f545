"""Deliveries that wait together are stored together, in one commit. A lone one starts at once."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from portal.contract.work import ReceivedEvent
from portal.database.transaction import Connection, DatabaseBusy, connection
from portal.queue.connections import CONNECTION_LOST, DATABASE_FAILED

MOST_EVENTS = 100
MOST_BYTES = 4 * 1024 * 1024
WRITE_SECONDS = 3.0
"""Shorter than a delivery waits: a database that fell silent costs the next ones a new connection."""
LINGER_SECONDS = 0.5
"""How long an idle connection is kept: giving it back costs as much as storing an event."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A proved delivery on its way into the inbox."""

    account_id: int
    version: int | None
    """Of the connection whose secrets proved it; None: nothing had to prove it."""
    event: ReceivedEvent
    body: bytes = field(repr=False)
    trouble: str = ""
    """Why it must have no effect; empty when it may."""


class NotStored(Enum):
    """Why a delivery made no new row."""

    KNOWN = "known"
    """It was stored before."""
    NOT_CONNECTED = "not_connected"
    """Its connection has ended."""
    CHANGED = "changed"
    """Its connection is another by now: it may have lost the secret that proved this."""


Stored = int | NotStored
"""The new row's id, or why there is none."""
Store = Callable[[Connection, Sequence[NewEvent]], Awaitable[Sequence[Stored]]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    new: NewEvent
    answer: asyncio.Future[Stored]


class Batches:
    """Hands what waits to `store`, one batch after the other.

    Nobody waits for company: the first to come is written at once, alone, and those that come meanwhile are
    the next batch. Each caller has its own deadline and may leave; that touches nobody else.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def put(self, new: NewEvent) -> Stored:
        """Store one; returns once it is committed.

        Raises:
            DatabaseBusy: or whatever else `store` raises for this one.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(new, loop.create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        if self._writer is None or self._writer.done() or self._writer.get_loop() is not loop:
            # In a context of its own: the caller's may hold a connection, and the caller may be cancelled.
            self._writer = loop.create_task(self._write_all(), context=contextvars.Context())
        return await waiting.answer

    async def stop(self) -> None:
        """Give the connection back; called when the process ends, after the last delivery."""
        if self._writer is not None and not self._writer.done():
            self._writer.cancel()
            await asyncio.wait([self._writer])

    async def _write_all(self) -> None:
        # Nothing is awaited between the last look at the queue and the end: nobody can be left in it.
        while self._waiting:
            connected = False
            try:
                async with connection() as held:
                    connected = True
                    while taken := await self._next():
                        await self._write(held, taken)
            except (DatabaseBusy, *DATABASE_FAILED) as error:
                # Whoever was being written knows; with no connection at all it is everybody's answer.
                if not connected:
                    _fail(self._waiting, error)
                    self._waiting.clear()

    async def _next(self) -> list[_Waiting]:
        """The next batch, as soon as anybody waits; empty after a while without."""
        self._arrived.clear()
        if not self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._arrived.wait()
        # One turn for those that have arrived already and are about to say so.
        await asyncio.sleep(0)
        return self._take()

    def _take(self) -> list[_Waiting]:
        """The next batch, without those who gave up."""
        taken: list[_Waiting] = []
        size = 0
        while self._waiting and len(taken) < MOST_EVENTS and size < MOST_BYTES:
            waiting = self._waiting.popleft()
            if not waiting.answer.done():
                taken.append(waiting)
                size += len(waiting.new.body)
        return taken

    async def _write(self, held: Connection, taken: list[_Waiting]) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                stored = await self._store(held, [waiting.new for waiting in taken])
        except CONNECTION_LOST as error:
            _fail(taken, error)
            raise
        # Whatever else it is, it is the callers' to answer for; the writer goes on with the next ones.
        except Exception as error:  # noqa: BLE001 - each caller is told
            await self._separate(held, taken, error)
        except BaseException:
            _fail(taken, DatabaseBusy("The process ends."))
            raise
        else:
            for waiting, answer in zip(taken, stored, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)

    async def _separate(self, held: Connection, taken: list[_Waiting], error: Exception) -> None:
        """One by one after an error that one of them may have caused: the others must not suffer for it."""
        if len(taken) == 1:
            _fail(taken, error)
            return
        for place, waiting in enumerate(taken):
            try:
                await self._write(held, [waiting])
            except BaseException as lost:
                _fail(taken[place:], lost if isinstance(lost, Exception) else error)
                raise


def _fail(taken: Iterable[_Waiting], error: Exception) -> None:
    for waiting in taken:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
