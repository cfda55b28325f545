"""Connections of the queue: opened with deadlines, and kept by one user each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

import asyncpg
from asyncpg.exceptions import InsufficientResourcesError, InternalClientError, OperatorInterventionError

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 10.0
CLOSE_SECONDS = 2.0

CONNECTION_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    InsufficientResourcesError,
    InternalClientError,
    OperatorInterventionError,
)
"""What a query raises when the server went away, restarts or has no room. TimeoutError is an OSError.

asyncpg raises InternalClientError when the connection was cut while it was idle and is used at that moment.
"""

DATABASE_FAILED = (OSError, asyncpg.InterfaceError, asyncpg.PostgresError, InternalClientError)
"""Whatever a query may raise for reasons outside its caller's code."""


class Executor(Protocol):
    """The part of an asyncpg connection that the queue needs; a pool's connection has it too."""

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement."""
        ...

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Run a query; returns its rows."""
        ...

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Run a query; returns the first value."""
        ...


async def connect(
    options: Mapping[str, Any], *, name: str, durable: bool = True
) -> asyncpg.Connection[asyncpg.Record]:
    """Open a connection that gives up rather than hang.

    Args:
        options: for `asyncpg.connect`.
        name: shown as `application_name`.
        durable: False lets commits return before they are on disk. Good for leases and acknowledgements only:
            losing the last of them in a crash means that a job is delivered again.
    """
    server_settings = {
        **options.get("server_settings", {}),
        "application_name": f"portal-queue {name}",
        "enable_seqscan": "off",
        "synchronous_commit": "on" if durable else "off",
    }
    arguments = {**options, "server_settings": server_settings, "command_timeout": COMMAND_SECONDS}
    return await asyncpg.connect(**{"timeout": CONNECT_SECONDS, **arguments})


async def disconnect(connection: asyncpg.Connection[asyncpg.Record] | None) -> None:
    """Close politely if the server still listens, else at once."""
    if connection is None or connection.is_closed():
        return
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except DATABASE_FAILED:
        connection.terminate()


class KeptConnection:
    """One connection, opened when first needed and again when it was lost. One statement at a time."""

    def __init__(self, options: Mapping[str, Any], *, name: str) -> None:
        self._options = options
        self._name = name
        self._lock = asyncio.Lock()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        """Run one statement, and once more when the connection turned out to be gone.

        The statement must therefore be one that may run twice, as all of the queue's are.
        """
        async with self._lock:
            try:
                return await self._fetch(query, args)
            except CONNECTION_LOST:
                await self._drop()
                return await self._fetch(query, args)

    async def close(self) -> None:
        """Close it; the next statement opens another."""
        async with self._lock:
            await self._drop()

    async def _fetch(self, query: str, args: tuple[object, ...]) -> list[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._options, name=self._name)
        return await self._connection.fetch(query, *args)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        with contextlib.suppress(*DATABASE_FAILED):
            await disconnect(connection)
