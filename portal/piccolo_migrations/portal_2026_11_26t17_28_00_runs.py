"""A run that fills the portal after connecting has a purpose of its own."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T17:28:00"
VERSION = "1.38.0"
DESCRIPTION = "runs"

PURPOSES = """
ALTER TABLE sync_run
    DROP CONSTRAINT sync_run_purpose,
    ADD CONSTRAINT sync_run_purpose CHECK (purpose IN ('first', 'resync', 'comparison'));
"""


async def forwards() -> MigrationManager:
    """Run after the columns exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(PURPOSES)

    manager.add_raw(run)
    return manager
