"""Migrations of the portal and its plugins, one process at a time."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from dataclasses import dataclass

import asyncpg

from portal.contract.loading import installed_plugins
from portal.database.engine import connection_options
from portal.errors import ConfigurationError
from portal.settings import current_settings

LOCK_KEY = 0x506F7274616C  # "Portal": any number, as long as every process uses the same
LOCK_SECONDS = 60


class MigrationFailed(ConfigurationError):
    """A migration did not run; the portal must not serve on a half-made schema."""

    code = "MIGRATION_FAILED"


@dataclass(frozen=True, slots=True)
class MigrationState:
    """How many migrations exist and how many the database has."""

    known: int
    applied: int

    @property
    def complete(self) -> bool:
        """Whether the database has every migration of this code."""
        return self.applied >= self.known


def app_modules() -> list[str]:
    """The Piccolo apps, the portal's own first."""
    apps = ["portal.piccolo_app"]
    for entry in installed_plugins():
        name = f"{entry.package}.piccolo_app"
        if entry.plugin and importlib.util.find_spec(name):
            apps.append(name)
    return apps


async def migrate() -> str:
    """Run what is not applied yet, under an advisory lock; returns what Piccolo said.

    Raises:
        MigrationFailed: the lock was not to be had in a minute, or a migration failed.
    """
    options = connection_options(current_settings(), name="portal-migrate")
    options["server_settings"] = {"application_name": "portal-migrate", "lock_timeout": f"{LOCK_SECONDS}s"}
    held = await asyncpg.connect(**options)
    try:
        await held.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        return await _run_all()
    except asyncpg.LockNotAvailableError:
        raise MigrationFailed("Another process has been migrating for a minute.") from None
    finally:
        await held.close()


async def migration_state() -> MigrationState:
    """Known against applied migrations, for readiness and the doctor."""
    from piccolo.apps.migrations.commands.base import BaseMigrationManager  # noqa: PLC0415 - pulls in black
    from piccolo.apps.migrations.tables import Migration  # noqa: PLC0415 - the same

    manager = BaseMigrationManager()
    known = 0
    for app in manager.get_sorted_app_names():
        config = manager.get_app_config(app_name=app)
        modules = manager.get_migration_modules(config.resolved_migrations_folder_path)
        known += len(manager.get_migration_ids(modules))
    applied = await Migration.count() if await Migration.table_exists() else 0
    return MigrationState(known=known, applied=applied)


async def execute_script(sql: str) -> None:
    """Run several statements inside the migration that calls this (Piccolo's `raw` takes one at a time)."""
    from portal.database.engine import current_engine  # noqa: PLC0415 - piccolo_conf imports this module

    running = current_engine().current_transaction.get()
    if running is None:
        raise MigrationFailed("execute_script runs inside a migration only.")
    await running.connection.execute(sql)


async def _run_all() -> str:
    from piccolo.apps.migrations.commands.forwards import run_forwards  # noqa: PLC0415 - pulls in black

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            result = await run_forwards(app_name="all")
    except asyncpg.PostgresError as error:
        raise MigrationFailed(f"A migration failed: {type(error).__name__}: {error}") from error
    if not result.success:
        raise MigrationFailed(f"A migration failed: {result.message}")
    return said.getvalue()
