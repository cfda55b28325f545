"""Plans that are known count use as their words say: they were read from a provider that said so."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-27T09:34:00"
VERSION = "1.38.0"
DESCRIPTION = "metered plans"

FILL = """
UPDATE plan SET metered = true WHERE words LIKE '%by use';
"""


async def forwards() -> MigrationManager:
    """Run after the column exists."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(FILL)

    manager.add_raw(run)
    return manager
