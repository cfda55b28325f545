"""Links that somebody took apart are found by whom they were of."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-27T09:56:00"
VERSION = "1.38.0"
DESCRIPTION = "unlinked"

INDEX = """
CREATE INDEX customer_link_unlinked ON customer_link (unlinked_from) WHERE unlinked_from IS NOT NULL;
"""


async def forwards() -> MigrationManager:
    """Run after the column exists."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(INDEX)

    manager.add_raw(run)
    return manager
