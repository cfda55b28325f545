"""What starts a subscription, and the link that changes how it is paid, belong to one mode."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-27T06:27:00"
VERSION = "1.38.0"
DESCRIPTION = "subscription orders"

KEYS = """
ALTER TABLE subscription_order
    ADD CONSTRAINT subscription_order_status CHECK (status IN ('asked', 'made', 'refused')
        AND quantity > 0 AND trial_days >= 0 AND (status = 'made') = (external_id IS NOT NULL)),
    ADD CONSTRAINT subscription_order_account_mode
        FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE UNIQUE INDEX subscription_order_external ON subscription_order (account, external_id);
CREATE INDEX subscription_order_by_customer ON subscription_order (customer, id);
CREATE INDEX subscription_order_open ON subscription_order (account, id) WHERE status <> 'made';
ALTER TABLE method_link
    ADD CONSTRAINT method_link_once UNIQUE (subscription),
    ADD CONSTRAINT method_link_token UNIQUE (token_hash),
    ADD CONSTRAINT method_link_subscription_mode
        FOREIGN KEY (subscription, mode) REFERENCES subscription (id, mode) ON DELETE CASCADE;
UPDATE payment_attempt SET awaited = true WHERE state = 'processing' OR expected_at IS NOT NULL;
"""


async def forwards() -> MigrationManager:
    """Run after the tables exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(KEYS)

    manager.add_raw(run)
    return manager
