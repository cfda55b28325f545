"""What the lists and forms need: prefix search on invoice numbers, the shown status, forms sent once."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-23T17:20:00"
VERSION = "1.38.0"
DESCRIPTION = "lists"

LISTS = """
CREATE INDEX invoice_number_prefix ON invoice (lower(number) text_pattern_ops, id);
CREATE INDEX customer_link_by_external ON customer_link (external_id);
CREATE INDEX customer_link_by_customer ON customer_link (customer);

CREATE FUNCTION shown_invoice_status(status text, due_date date, today date) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN status IN ('open', 'partly_paid') AND due_date < today THEN 'past_due' ELSE status END;

CREATE TABLE sent_form (
    key text PRIMARY KEY,
    answer text,
    sent_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sent_form_by_age ON sent_form (sent_at);
"""


async def forwards() -> MigrationManager:
    """Run after the tables and their constraints exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(LISTS)

    manager.add_raw(run)
    return manager
