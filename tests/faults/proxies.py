"""A TCP proxy whose line can be made bad while it runs: between the portal and what it depends on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from portal.queue.loops import LoopThread

CHUNK = 65_536
CONTROL_SECONDS = 5.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Line(StrEnum):
    """How the line behaves."""

    PASS = "pass"
    LATE = "late"
    """Each piece waits `seconds`, there and back."""
    RESET = "reset"
    """A connection is reset once `after` bytes of answers have passed from now on."""
    SILENT = "silent"
    """Nothing passes, new connections included; what waits goes on when this ends."""
    REFUSED = "refused"
    """Nobody listens; what was open is reset."""
    HALF = "half"
    """After the next answer the server's side is closed, while ours stays open."""


@dataclass(frozen=True, slots=True)
class Weather:
    """One behaviour and its figures."""

    line: Line = Line.PASS
    seconds: float = 0.0
    after: int = 0


class Cut(Exception):
    """The line takes the connection down."""


@dataclass(eq=False, slots=True)
class _Link:
    client: asyncio.StreamWriter
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    weather: Weather | None = None
    answered: int = 0
    """Bytes of answers since the weather changed."""


class Proxy:
    """Listens on a port of its own and passes everything on to one server.

    It runs in a thread, so that no test's loop can hold it up. `server` is a host and a port, or the path of
    a Unix socket.
    """

    def __init__(self, server: tuple[str, int] | Path) -> None:
        self._server = server
        self._weather = Weather()
        self._open = asyncio.Event()
        self._open.set()
        self._links: set[_Link] = set()
        self._listener: asyncio.Server | None = None
        self._loop = LoopThread("tests-proxy")
        self.port = 0

    # ---- from the test

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        """Listen until the end of the block."""
        self._loop.run(self._listen(), timeout=CONTROL_SECONDS)
        try:
            yield self
        finally:
            self._loop.run(self._end(), timeout=CONTROL_SECONDS)
            self._loop.stop()

    def set(self, line: Line, *, seconds: float = 0.0, after: int = 0) -> None:
        """Change the weather, for open connections too."""
        self._loop.run(self._change(Weather(line, seconds, after)), timeout=CONTROL_SECONDS)

    def cut(self) -> None:
        """Reset every open connection, once."""
        self._loop.run(self._cut_all(), timeout=CONTROL_SECONDS)

    @contextlib.contextmanager
    def being(self, line: Line, *, seconds: float = 0.0, after: int = 0) -> Iterator[None]:
        """This weather until the end of the block."""
        self.set(line, seconds=seconds, after=after)
        try:
            yield
        finally:
            self.set(Line.PASS)

    # ---- in the thread

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _change(self, weather: Weather) -> None:
        self._weather = weather
        if weather.line is Line.SILENT:
            self._open.clear()
        else:
            self._open.set()
        if weather.line is Line.REFUSED:
            if self._listener:
                self._listener.close()
                self._listener = None
            await self._cut_all()
        elif self._listener is None:
            await self._listen()

    async def _cut_all(self) -> None:
        for link in list(self._links):
            _reset(link.client)
            for task in link.tasks:
                task.cancel()

    async def _end(self) -> None:
        if self._listener:
            self._listener.close()
        tasks = [task for link in self._links for task in link.tasks]
        await self._cut_all()
        self._open.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        link = _Link(client)
        self._links.add(link)
        server: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            answers, server = await self._dial()
            link.tasks = [
                asyncio.create_task(self._pump(link, reader, server, answers=False)),
                asyncio.create_task(self._pump(link, answers, client, answers=True)),
            ]
            await asyncio.gather(*link.tasks)
        except (OSError, Cut, asyncio.CancelledError):
            _reset(client)  # cut, or the server is not there: as if nobody had listened
        finally:
            self._links.discard(link)
            for task in link.tasks:
                task.cancel()
            for writer in (client, server):
                if writer is not None:
                    writer.close()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._server, Path):
            return await asyncio.open_unix_connection(self._server)
        return await asyncio.open_connection(*self._server)

    async def _pump(
        self, link: _Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while data := await source.read(CHUNK):
            await self._passage(link, len(data) if answers else 0)
            sink.write(data)
            await sink.drain()
            if answers and self._weather.line is Line.HALF:
                break
        if sink.can_write_eof():
            sink.write_eof()

    async def _passage(self, link: _Link, answered: int) -> None:
        await self._open.wait()
        weather = self._weather
        if link.weather is not weather:
            link.weather, link.answered = weather, 0
        link.answered += answered
        if weather.line is Line.LATE:
            await asyncio.sleep(weather.seconds)
        elif weather.line is Line.RESET and link.answered > weather.after:
            raise Cut


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close as a machine that lost its memory does."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
