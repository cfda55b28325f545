"""A small HTTP/1.1 client for deliveries: POST to this machine over kept connections.

It takes a fraction of the processor time of a general client, which matters when one process is both the
API and the sender of a thousand events a second.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

MAX_HEAD = 65536
MAX_KEPT_BODY = 65536


class PostingError(Exception):
    """The receiver could not be reached or did not answer in HTTP."""


@dataclass(slots=True)
class Connection:
    """One open connection to a receiver."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Poster:
    """Sends POST requests and keeps idle connections by origin."""

    def __init__(self, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self._idle: dict[tuple[str, int, bool], list[Connection]] = {}

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """Send a body; the status of the answer.

        Raises:
            PostingError: no connection, no answer in time, or no HTTP.
        """
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await self._post(urlsplit(url), body, headers)
        except TimeoutError:
            raise PostingError("timeout") from None
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise PostingError(type(error).__name__) from error
        except ValueError as error:
            raise PostingError("not HTTP") from error

    async def _post(self, url: SplitResult, body: bytes, headers: dict[str, str]) -> int:
        head = _head(url, len(body), headers)
        origin = (
            url.hostname or "",
            url.port or (443 if url.scheme == "https" else 80),
            url.scheme == "https",
        )
        idle = self._idle.setdefault(origin, [])
        while idle:
            connection = idle.pop()
            try:
                return await self._exchange(connection, head + body, idle)
            except (ConnectionError, asyncio.IncompleteReadError):
                # The receiver closed it while it was idle; nothing was handled, so a fresh one may try.
                connection.writer.close()
        return await self._exchange(await _connect(origin), head + body, idle)

    async def _exchange(self, connection: Connection, message: bytes, idle: list[Connection]) -> int:
        reusable = False
        try:
            connection.writer.write(message)
            await connection.writer.drain()
            status, reusable = await _read_answer(connection.reader)
            return status
        finally:
            if reusable:
                idle.append(connection)
            else:
                connection.writer.close()

    def close(self) -> None:
        """Close what is idle."""
        for connections in self._idle.values():
            for connection in connections:
                connection.writer.close()
        self._idle.clear()


async def _connect(origin: tuple[str, int, bool]) -> Connection:
    host, port, secure = origin
    reader, writer = await asyncio.open_connection(host, port, ssl=True if secure else None, limit=MAX_HEAD)
    return Connection(reader, writer)


def _head(url: SplitResult, length: int, headers: dict[str, str]) -> bytes:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [f"POST {target} HTTP/1.1", f"Host: {url.netloc}", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status, and whether the connection can be used again."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, status = first.split(" ", 2)[:2]
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    fields = {n.strip().lower(): v.strip().lower() for n, _, v in (line.partition(":") for line in lines)}
    length = fields.get("content-length", "0" if status in ("204", "304") else "")
    if not length.isdecimal() or int(length) > MAX_KEPT_BODY or fields.get("connection") == "close":
        return int(status), False
    await reader.readexactly(int(length))
    return int(status), version == "HTTP/1.1"
