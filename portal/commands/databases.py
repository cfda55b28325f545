"""`portal migrate`, and the database for the length of a command."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import click

from portal.settings import Settings, current_settings


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
