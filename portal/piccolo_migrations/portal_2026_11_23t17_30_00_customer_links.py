"""One living link for a customer and a connection: what the provider deleted may be made anew there."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-23T17:30:00"
VERSION = "1.38.0"
DESCRIPTION = "customer links"

LINKS = """
CREATE UNIQUE INDEX customer_link_living ON customer_link (account, customer) WHERE NOT deleted;
ALTER TABLE customer_link DROP CONSTRAINT customer_link_customer;
"""


async def forwards() -> MigrationManager:
    """Run after the tables and their constraints exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(LINKS)

    manager.add_raw(run)
    return manager
