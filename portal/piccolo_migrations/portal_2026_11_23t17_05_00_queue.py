"""The tables of the queue in PostgreSQL."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script
from portal.queue.statements import CREATE_TABLES

ID = "2026-11-23T17:05:00"
VERSION = "1.38.0"
DESCRIPTION = "queue"


async def forwards() -> MigrationManager:
    """Create the job, dead letter and schedule tables."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(CREATE_TABLES)

    manager.add_raw(run)
    return manager
