"""An invoice that the provider collects has no due date: it is past due once collecting it failed."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T17:36:00"
VERSION = "1.38.0"
DESCRIPTION = "past due"

PAST_DUE = """
CREATE FUNCTION shown_invoice_status(status text, due_date date, uncollected boolean, today date) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN status IN ('open', 'partly_paid') AND (due_date < today OR uncollected)
                THEN 'past_due' ELSE status END;
CREATE INDEX invoice_uncollected ON invoice (id) WHERE status IN ('open', 'partly_paid')
    AND origin = 'provider' AND due_date IS NULL AND attempts > 0;
"""


async def forwards() -> MigrationManager:
    """Run after the columns exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(PAST_DUE)

    manager.add_raw(run)
    return manager
