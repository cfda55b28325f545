"""What the dashboard adds up and looks for, without reading whole tables."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T20:50:00"
VERSION = "1.38.0"
DESCRIPTION = "dashboard"

INDEXES = """
DROP INDEX payment_by_time;
CREATE INDEX payment_by_time ON payment (mode, occurred_at) INCLUDE (currency, amount_minor);
CREATE INDEX refund_failed ON refund (mode, changed_at) WHERE status IN ('failed', 'requires_action');
CREATE INDEX dispute_unanswered ON dispute (mode, respond_by) WHERE status LIKE '%needs_response';
CREATE INDEX mail_message_failed ON mail_message (created_at) WHERE state = 'failed';
"""


async def forwards() -> MigrationManager:
    """Run after the tables exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(INDEXES)

    manager.add_raw(run)
    return manager
