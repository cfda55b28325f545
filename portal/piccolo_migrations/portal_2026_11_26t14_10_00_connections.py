"""What connections need beside their columns: keys, a cheap look at the last day, tasks bound to a mode."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T14:10:00"
VERSION = "1.38.0"
DESCRIPTION = "connections"

CONNECTIONS = """
CREATE INDEX delivery_proof_token ON delivery_proof (token_hash);
CREATE INDEX proof_delivery_proof ON proof_delivery (proof, id);
ALTER TABLE delivery_refusal ADD CONSTRAINT delivery_refusal_once UNIQUE (account, hour, reason);

-- Rows arrive in the order of time, so a summary for each range of pages is enough and costs intake nothing.
CREATE INDEX webhook_event_received ON webhook_event USING brin (received_at) WITH (pages_per_range = 32, autosummarize = on);

-- How far a connection is in step is asked on its page.
CREATE INDEX sync_task_account ON sync_task (account, state, finished_at);
CREATE INDEX invoice_sync ON invoice (account, sync_state);

-- A task about an invoice can only stand under a connection of the invoice's own mode.
ALTER TABLE sync_task
    ADD COLUMN invoice bigint GENERATED ALWAYS AS (CASE WHEN kind LIKE '%\\_invoice' THEN subject_id END) STORED,
    ADD CONSTRAINT sync_task_invoice_mode FOREIGN KEY (invoice, mode) REFERENCES invoice (id, mode);
"""


async def forwards() -> MigrationManager:
    """Run after the columns exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(CONNECTIONS)

    manager.add_raw(run)
    return manager
