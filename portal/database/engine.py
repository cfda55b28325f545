"""The one Piccolo engine of a process, and its pool."""

from __future__ import annotations

from typing import Any

from piccolo.engine.postgres import PostgresEngine

from portal.database.embedded import connection_arguments
from portal.settings import Settings, current_settings

DEADLINES = {
    "statement_timeout": "15000",
    "lock_timeout": "10000",
    "idle_in_transaction_session_timeout": "30000",
}
"""Milliseconds; a query that hangs ends by itself and gives its connection back."""


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


async def open_pool(*, name: str = "portal", max_size: int = 12) -> None:
    """Open the pool in the running event loop; a second call does nothing."""
    engine = current_engine()
    if engine.pool is None:
        engine.config = connection_options(current_settings(), name=name)
        await engine.start_connection_pool(min_size=1, max_size=max_size)


async def close_pool() -> None:
    """Close the pool; a second call does nothing."""
    engine = current_engine()
    if engine.pool is not None:
        await engine.close_connection_pool()
