"""Open pages change by themselves: a commit notifies, one listener a process wakes the streams that wait."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator

import asyncpg

from portal.database.engine import connection_options
from portal.database.transaction import Connection
from portal.settings import Settings

CHANNEL = "portal_live"
KEEP_ALIVE_SECONDS = 15.0
RECONNECT_SECONDS = 1.0
logger = logging.getLogger("portal.live")


async def announce(connection: Connection, topic: str) -> None:
    """Tell open pages that `topic` (such as `invoice:17`) changed, once this transaction commits."""
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, topic)


class LiveHub:
    """Fans notifications out to the streams of this process. One connection, however many pages are open."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    async def start(self) -> None:
        """Begin to listen; a lost connection is made again."""
        self._closed.clear()
        self._task = asyncio.create_task(self._listen_for_ever(), name="live-hub")

    async def stop(self) -> None:
        """End every stream and the listener, so that the process can end."""
        self._closed.set()
        for events in self._waiting.values():
            for event in events:
                event.set()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def changes(
        self, topic: str, *, at_once: bool = False, every: float = KEEP_ALIVE_SECONDS
    ) -> AsyncIterator[bool]:
        """True when `topic` changed (several changes may be one), False `every` 15 s as a sign of life.

        `at_once`: begin with True, for a page that may have missed a change between its rendering and this.
        """
        event = asyncio.Event()
        if at_once:
            event.set()
        self._waiting[topic].add(event)
        try:
            while not self._closed.is_set():
                changed = await _wait(event, every)
                event.clear()
                if not self._closed.is_set():
                    yield changed
        finally:
            self._waiting[topic].discard(event)
            if not self._waiting[topic]:
                del self._waiting[topic]

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                await self._listen()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                logger.warning("live updates lost their connection: %s", type(error).__name__)
            # Whatever was said meanwhile is lost: every page looks once.
            self._wake_all()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(**connection_options(self._settings, name="portal-live"))
        gone = asyncio.Event()
        connection.add_termination_listener(lambda _: gone.set())
        try:
            await connection.add_listener(CHANNEL, lambda _c, _p, _ch, payload: self._wake(str(payload)))
            self._wake_all()
            await gone.wait()
        finally:
            await connection.close(timeout=2)

    def _wake(self, topic: str) -> None:
        for event in self._waiting.get(topic, ()):
            event.set()

    def _wake_all(self) -> None:
        for topic in list(self._waiting):
            self._wake(topic)


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
