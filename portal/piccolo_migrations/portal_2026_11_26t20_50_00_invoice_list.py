"""The orders of the list of invoices, each a key that a tab and a mode are the beginning of."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T20:50:00"
VERSION = "1.38.0"
DESCRIPTION = "invoice list"

INVOICE_LIST = """
-- A table of years takes longer than a question may.
SET LOCAL statement_timeout = 0;

-- What the filters look at is included, so that a walk over thousands of invoices reads the key alone.
CREATE INDEX invoice_list_created ON invoice (mode, status, created_at, id)
    INCLUDE (customer, currency, total_minor, due_date, sync_state);
CREATE INDEX invoice_list_due ON invoice (mode, status, due_date, id)
    INCLUDE (customer, currency, total_minor, created_at, sync_state);
CREATE INDEX invoice_list_amount ON invoice (mode, status, currency, total_minor, id)
    INCLUDE (customer, due_date, created_at, sync_state);
-- Digits at the end count as a number: INV-9999 comes before INV-10000.
CREATE INDEX invoice_list_number ON invoice
    (mode, status, (rtrim(number, '0123456789') COLLATE "C"), length(number), number COLLATE "C", id)
    INCLUDE (customer, currency, total_minor, due_date, created_at, sync_state);
CREATE INDEX sync_difference_conflicts ON sync_difference (subject_id)
    WHERE subject_kind = 'invoice' AND state = 'open' AND kind = 'conflict';
-- Each is the beginning of a key above, or the primary key once more.
DROP INDEX invoice_newest, invoice_by_status, invoice_past_due;
-- A key alone answers as far as the table was vacuumed; a fifth of it, the default, is too much to wait for.
ALTER TABLE invoice SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02,
                         autovacuum_analyze_scale_factor = 0.02);
"""


async def forwards() -> MigrationManager:
    """Run after the columns exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(INVOICE_LIST)

    manager.add_raw(run)
    return manager
