"""A former pay link is found by its token, and belongs to one invoice."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-27T09:36:00"
VERSION = "1.38.0"
DESCRIPTION = "former pay links"

KEYS = """
ALTER TABLE former_pay_link ADD CONSTRAINT former_pay_link_token UNIQUE (token_hash);
CREATE INDEX former_pay_link_by_invoice ON former_pay_link (invoice);
"""


async def forwards() -> MigrationManager:
    """Run after the table exists."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(KEYS)

    manager.add_raw(run)
    return manager
