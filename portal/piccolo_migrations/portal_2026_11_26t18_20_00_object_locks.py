"""The lock of an object, with its own deadline, in one statement."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T18:20:00"
VERSION = "1.38.0"
DESCRIPTION = "object locks"

HOLD = """
CREATE FUNCTION hold_object(account integer, object_key text, seconds double precision) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', round(seconds * 1000)::text, true);
    PERFORM pg_advisory_lock(account, hashtext(object_key));
END $$;
"""


async def forwards() -> MigrationManager:
    """Nothing depends on it yet."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(HOLD)

    manager.add_raw(run)
    return manager
