"""Keys and references of the plugin's tables."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.sdk import execute_script

ID = "2026-11-23T18:00:00"
VERSION = "1.38.0"
DESCRIPTION = "constraints"

CONSTRAINTS = """
ALTER TABLE stripe_link
    ADD CONSTRAINT stripe_link_once UNIQUE (account, external_id),
    ADD CONSTRAINT stripe_link_kind CHECK (kind IN ('invoice', 'payment_intent')),
    ADD CONSTRAINT stripe_link_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode),
    ADD CONSTRAINT stripe_link_invoice_mode FOREIGN KEY (invoice, mode) REFERENCES invoice (id, mode);
CREATE INDEX stripe_link_by_invoice ON stripe_link (account, invoice_external_id);
CREATE UNIQUE INDEX stripe_link_one_invoice ON stripe_link (account, invoice) WHERE kind = 'invoice';
ALTER TABLE stripe_object
    ADD CONSTRAINT stripe_object_once UNIQUE (account, kind, external_id),
    ADD CONSTRAINT stripe_object_account_mode
        FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
"""


async def forwards() -> MigrationManager:
    """Run after the tables exist."""
    manager = MigrationManager(migration_id=ID, app_name="stripe", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(CONSTRAINTS)

    manager.add_raw(run)
    return manager
