"""The key of searches for numbers holds what the list filters and orders by: a wide one reads the key alone."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-27T09:50:00"
VERSION = "1.38.0"
DESCRIPTION = "number search"

NUMBER_SEARCH = """
-- A table of years takes longer than a question may.
SET LOCAL statement_timeout = 0;

DROP INDEX invoice_number_prefix;
CREATE INDEX invoice_number_prefix ON invoice (lower(number) text_pattern_ops, id)
    INCLUDE (mode, status, customer, currency, total_minor, due_date, created_at, sync_state, number);
"""


async def forwards() -> MigrationManager:
    """Run after the columns exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(NUMBER_SEARCH)

    manager.add_raw(run)
    return manager
