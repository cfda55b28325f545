"""What the event log is filtered by, each in order of arrival."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T18:10:00"
VERSION = "1.38.0"
DESCRIPTION = "event_log"

INDEXES = """
-- Common states are found soon by walking down the ids; these would not be.
CREATE INDEX webhook_event_ignored ON webhook_event (id) WHERE state = 'ignored';
CREATE INDEX webhook_event_rejected ON webhook_event (id) WHERE state = 'rejected';
-- A type that one connection never gets may be common on another: no statistics would tell.
CREATE INDEX webhook_event_type ON webhook_event (account, type, id);
"""


async def forwards() -> MigrationManager:
    """Run after the inbox is cut into months."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(INDEXES)

    manager.add_raw(run)
    return manager
