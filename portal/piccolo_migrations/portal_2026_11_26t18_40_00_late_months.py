"""A month that is made late, while its events already come in."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T18:40:00"
VERSION = "1.38.0"
DESCRIPTION = "late months"

MONTHS = """
CREATE OR REPLACE FUNCTION ensure_webhook_event_month(at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    first_moment timestamptz := date_trunc('month', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    next_moment timestamptz := (date_trunc('month', at AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    from_id bigint := webhook_event_first_id(first_moment);
    to_id bigint := webhook_event_first_id(next_moment);
    name text := 'webhook_event_' || to_char(at AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('webhook_event months'));
    IF to_regclass(name) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    -- Its events are coming in: none may come between the move and the new partition, which would be refused.
    IF EXISTS (SELECT FROM webhook_event_default WHERE id >= from_id AND id < to_id) THEN
        LOCK TABLE webhook_event IN SHARE ROW EXCLUSIVE MODE;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE webhook_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)',
                   name);
    EXECUTE format('WITH moved AS (DELETE FROM webhook_event_default WHERE id >= %s AND id < %s RETURNING *) '
                   'INSERT INTO %I SELECT * FROM moved', from_id, to_id, name);
    EXECUTE format('ALTER TABLE webhook_event ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                   name, from_id, to_id);
    RETURN name;
END $$;
"""


async def forwards() -> MigrationManager:
    """Run after the months exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(MONTHS)

    manager.add_raw(run)
    return manager
