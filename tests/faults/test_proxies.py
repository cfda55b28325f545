"""The proxy does to a line what it says: a fault that does not strike proves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxies import Line, Proxy


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", echo)).running() as proxy:
        yield proxy


@asynccontextmanager
async def line_through(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def said(line: tuple[asyncio.StreamReader, asyncio.StreamWriter], words: bytes) -> bytes:
    line[1].write(words)
    async with asyncio.timeout(0.4):
        return await line[0].read(100)


async def test_what_is_sent_passes_and_a_silent_line_keeps_it_until_it_speaks_again(proxy: Proxy) -> None:
    async with line_through(proxy) as line:
        assert await said(line, b"one") == b"one"
        with proxy.being(Line.SILENT), pytest.raises(TimeoutError):
            await said(line, b"two")
        assert await said(line, b"") == b"two"


async def test_a_line_is_reset_after_so_many_bytes_of_answers(proxy: Proxy) -> None:
    async with line_through(proxy) as line:
        with proxy.being(Line.RESET, after=3):
            assert await said(line, b"one") == b"one"
            with pytest.raises(ConnectionResetError):
                await said(line, b"two")


async def test_a_refused_line_is_reset_and_nobody_listens_until_it_is_taken_back(proxy: Proxy) -> None:
    async with line_through(proxy) as line:
        assert await said(line, b"one") == b"one"
        with proxy.being(Line.REFUSED):
            with pytest.raises(ConnectionResetError):
                await said(line, b"two")
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", proxy.port)
    async with line_through(proxy) as line:
        assert await said(line, b"three") == b"three"


async def test_a_half_closed_line_ends_after_an_answer(proxy: Proxy) -> None:
    async with line_through(proxy) as line:
        with proxy.being(Line.HALF):
            assert await said(line, b"one") == b"one"
            assert await said(line, b"two") == b""
