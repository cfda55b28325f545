"""`portal migrate`, and the database for the length of a command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from portal.settings import Settings, current_settings

Answer = TypeVar("Answer")


@contextmanager
def database_for_command(settings: Settings) -> Iterator[None]:
    """A reachable, migrated database; an embedded one that did not run is stopped afterwards."""
    from portal.database.embedded import running

    if settings.database_url:
        asyncio.run(_prepare(settings))
        yield
        return
    with running(settings.data_dir):
        asyncio.run(_prepare(settings))
        yield


def run_in_database(work: Callable[[], Awaitable[Answer]], *, connections: int = 3) -> Answer:
    """Run the asynchronous part of a command with a pool of its own."""
    from portal.database.engine import close_pool, open_pool

    async def run() -> Answer:
        await open_pool(name="portal-command", max_size=connections)
        try:
            return await work()
        finally:
            await close_pool()

    with database_for_command(current_settings()):
        return asyncio.run(run())


@click.command()
def migrate() -> None:
    """Apply what is not applied yet."""
    with database_for_command(current_settings()):
        click.echo("The database is up to date.")


async def _prepare(settings: Settings) -> None:
    from portal.database.reachability import server_version

    await server_version(settings)
    from portal.database import migrations

    await migrations.migrate()
