"""A connection that was cut while idle is replaced, whatever asyncpg calls that."""

from __future__ import annotations

import pytest
from asyncpg import InterfaceError
from asyncpg.exceptions import AdminShutdownError, ConnectionDoesNotExistError, InternalClientError

from portal.database.engine import connection_options
from portal.queue import connections
from portal.queue.connections import KeptConnection
from portal.settings import Settings


class Broken:
    """The connection as asyncpg leaves it when the server went away."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def is_closed(self) -> bool:
        return False

    async def fetch(self, *_: object) -> list[object]:
        raise self.error

    async def close(self, **_: object) -> None:
        raise self.error

    def terminate(self) -> None: ...


@pytest.mark.parametrize(
    "error",
    [
        AdminShutdownError("terminating connection"),
        ConnectionDoesNotExistError("closed in the middle of operation"),
        ConnectionResetError(),
        InterfaceError("connection is closed"),
        InternalClientError("cannot switch to state 12"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_statement_on_a_lost_connection_runs_on_a_new_one(
    database: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    kept = KeptConnection(connection_options(settings), name="test")
    monkeypatch.setattr(kept, "_connection", Broken(error))
    assert [row[0] for row in await kept.fetch("SELECT 1")] == [1]
    await kept.close()


async def test_a_server_that_is_away_is_reported_at_the_second_try(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    async def refuse(*_: object, **__: object) -> None:
        tries.append(1)
        raise ConnectionRefusedError

    monkeypatch.setattr(connections, "connect", refuse)
    with pytest.raises(ConnectionRefusedError):
        await KeptConnection({}, name="test").fetch("SELECT 1")
    assert len(tries) == 2
