"""Locks that answer what is asked next anyway."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T18:30:00"
VERSION = "1.38.0"
DESCRIPTION = "fewer questions"

FUNCTIONS = """
-- Since when the object is held.
DROP FUNCTION hold_object(integer, text, double precision);
CREATE FUNCTION hold_object(account integer, object_key text, seconds double precision) RETURNS timestamptz
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', round(seconds * 1000)::text, true);
    PERFORM pg_advisory_lock(account, hashtext(object_key));
    RETURN clock_timestamp();
END $$;

-- The head of the audit log, which nobody moves until the transaction ends. Each statement in here sees what is
-- committed when it begins, so the second one sees what the one before us wrote.
CREATE FUNCTION hold_audit_head(chain bigint) RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(chain);
    RETURN (SELECT hash FROM audit_entry ORDER BY id DESC LIMIT 1);
END $$;
"""


async def forwards() -> MigrationManager:
    """Workers of the version before ignore what `hold_object` returns."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(FUNCTIONS)

    manager.add_raw(run)
    return manager
