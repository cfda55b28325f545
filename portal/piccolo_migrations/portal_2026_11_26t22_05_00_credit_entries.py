"""Credits are entries of their own kind: no money moved by them."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T22:05:00"
VERSION = "1.38.0"
DESCRIPTION = "credit entries"

# What was collected is added up by the index alone, so it leaves credits out itself.
CREDITS = """
ALTER TABLE payment
    DROP CONSTRAINT payment_kind,
    ADD CONSTRAINT payment_kind CHECK (kind IN ('payment', 'refund', 'dispute', 'offline', 'credit')),
    DISABLE TRIGGER payment_append_only;
UPDATE payment SET kind = 'credit'
WHERE kind = 'offline' AND method LIKE 'Credit note %' AND (account IS NOT NULL OR external_id ~ '^credit:[0-9]+$');
ALTER TABLE payment ENABLE TRIGGER payment_append_only;
DROP INDEX payment_by_time;
CREATE INDEX payment_by_time ON payment (mode, occurred_at) INCLUDE (currency, amount_minor) WHERE kind <> 'credit';
CREATE INDEX payment_credits ON payment (invoice) INCLUDE (amount_minor) WHERE kind = 'credit';
"""


async def forwards() -> MigrationManager:
    """Run after the tables exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(CREDITS)

    manager.add_raw(run)
    return manager
