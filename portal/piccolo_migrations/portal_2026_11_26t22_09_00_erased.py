"""Erased customers are found without reading all of them."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T22:09:00"
VERSION = "1.38.0"
DESCRIPTION = "erased customers"

ERASED = "CREATE INDEX customer_erased ON customer (id) WHERE erased_at IS NOT NULL"


async def forwards() -> MigrationManager:
    """Run after the column exists."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(ERASED)

    manager.add_raw(run)
    return manager
