"""One payment at a time: of an invoice's attempts, one at most is under way."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T21:34:00"
VERSION = "1.38.0"
DESCRIPTION = "one open payment"

ONE_OPEN = """
UPDATE payment_attempt a SET state = 'failed', code = 'superseded', reason = 'The provider ended it.',
       recorded_at = now()
WHERE state = 'processing' AND EXISTS (
    SELECT FROM payment_attempt b WHERE b.invoice = a.invoice AND b.state = 'processing' AND b.id > a.id);
CREATE UNIQUE INDEX payment_attempt_one_open ON payment_attempt (invoice) WHERE state = 'processing';
"""


async def forwards() -> MigrationManager:
    """Run after the tables exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(ONE_OPEN)

    manager.add_raw(run)
    return manager
