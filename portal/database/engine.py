"""The one Piccolo engine of a process, and its pool."""

from __future__ import annotations

from typing import Any, Protocol

import asyncpg
from piccolo.engine.postgres import PostgresEngine

from portal.database.embedded import connection_arguments
from portal.settings import Settings, current_settings

DEADLINES = {
    "statement_timeout": "15000",
    "lock_timeout": "10000",
    "idle_in_transaction_session_timeout": "30000",
}
"""Milliseconds; a query that hangs ends by itself and gives its connection back."""


FIXED_PLANS = {"plan_cache_mode": "force_generic_plan"}
"""For workers, who ask the same few questions by key: to plan them anew costs more than to answer them."""


_to_reset: set[int] = set()
"""Process ids of sessions at the server: a pooled connection and what wraps it have the same."""


class _Session(Protocol):
    def get_server_pid(self) -> int: ...


def connection_options(settings: Settings, *, name: str = "portal") -> dict[str, Any]:
    """Keyword arguments for `asyncpg.connect` and `create_pool`, the same for every process."""
    where: dict[str, Any] = (
        {"dsn": settings.database_url}
        if settings.database_url
        else dict(connection_arguments(settings.data_dir))
    )
    return {**where, "timeout": 5, "server_settings": {**DEADLINES, "application_name": name}}


def build_engine(settings: Settings) -> PostgresEngine:
    """The engine for `piccolo_conf.py`. Nothing is connected yet."""
    return PostgresEngine(config=connection_options(settings), log_queries=False)


def current_engine() -> PostgresEngine:
    """The engine that the tables use."""
    from piccolo_conf import DB  # noqa: PLC0415 - piccolo_conf imports this module

    return DB


async def open_pool(*, name: str = "portal", max_size: int = 12, fixed_plans: bool = False) -> None:
    """Open the pool in the running event loop; a second call does nothing."""
    engine = current_engine()
    if engine.pool is None:
        engine.config = connection_options(current_settings(), name=name)
        engine.config["server_settings"] |= FIXED_PLANS if fixed_plans else {}
        await engine.start_connection_pool(min_size=1, max_size=max_size, reset=_reset)


def reset_afterwards(held: _Session) -> None:
    """This session keeps something that no transaction ends, such as a lock: the pool ends it afterwards."""
    _to_reset.add(held.get_server_pid())


def nothing_to_reset(held: _Session) -> None:
    """What it kept was ended otherwise."""
    _to_reset.discard(held.get_server_pid())


async def _reset(held: asyncpg.Connection[asyncpg.Record]) -> None:
    """For a connection that comes back; the pool has undone an open transaction before.

    To reset each of them would cost a question for every use of one, and there is seldom anything to end.
    """
    if held.get_server_pid() in _to_reset:
        await held.execute(held.get_reset_query())
        nothing_to_reset(held)


async def close_pool() -> None:
    """Close the pool; a second call does nothing."""
    engine = current_engine()
    if engine.pool is not None:
        await engine.close_connection_pool()
