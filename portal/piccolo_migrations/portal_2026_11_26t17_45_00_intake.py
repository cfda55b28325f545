"""Intake: fewer keys to keep for each event, bodies that are neither compressed nor copied."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T17:45:00"
VERSION = "1.38.0"
DESCRIPTION = "intake"

KEYS = """
-- Each asks what (account, mode) asks too, once more for every event.
ALTER TABLE webhook_event DROP CONSTRAINT webhook_event_account;
ALTER TABLE webhook_identity DROP CONSTRAINT webhook_identity_account_fkey;

-- One index finds an event by its id alone, and keeps it from being stored twice.
ALTER TABLE webhook_identity DROP CONSTRAINT webhook_identity_once, DROP CONSTRAINT webhook_identity_pkey;
DROP INDEX webhook_identity_external;
ALTER TABLE webhook_identity ADD CONSTRAINT webhook_identity_once PRIMARY KEY (external_id, account);
ALTER TABLE webhook_identity ALTER COLUMN id DROP NOT NULL, ALTER COLUMN id DROP DEFAULT;
-- Only forgetting a month looks for them by event, whose ids rise with the table.
DROP INDEX webhook_identity_event;
CREATE INDEX webhook_identity_event ON webhook_identity USING brin (event)
    WITH (pages_per_range = 32, autosummarize = on);
"""

MONTHS = """
-- Bodies over 2 kB lie beside the row: claiming and finishing an event copies the row, and compressing them
-- costs intake more than writing them.
ALTER TABLE webhook_event ALTER COLUMN body SET STORAGE EXTERNAL;

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
        await execute_script(KEYS)
        await execute_script(MONTHS)

    manager.add_raw(run)
    return manager
