"""One row for each alarm of a connection."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T18:21:00"
VERSION = "1.38.0"
DESCRIPTION = "alarms"

ONCE = "ALTER TABLE health_alarm ADD CONSTRAINT health_alarm_once UNIQUE (account, code);"


async def forwards() -> MigrationManager:
    """Run after the table exists."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(ONCE)

    manager.add_raw(run)
    return manager
