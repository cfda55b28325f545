"""Failed attempts of the last weeks are added up without reading those that went well."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-27T03:41:00"
VERSION = "1.38.0"
DESCRIPTION = "failed attempts"

FAILED = """
CREATE INDEX payment_attempt_failed ON payment_attempt (mode, occurred_at) INCLUDE (invoice, currency, amount_minor)
    WHERE state = 'failed' AND code <> 'superseded';
"""


async def forwards() -> MigrationManager:
    """Run after the table exists."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(FAILED)

    manager.add_raw(run)
    return manager
