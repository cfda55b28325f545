"""The tabs of the list of subscriptions are read along keys of their own."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-27T03:40:00"
VERSION = "1.38.0"
DESCRIPTION = "subscription lists"

# As portal/subscriptions/queries.py writes the conditions: other words for the same would not find the key.
KEYS = """
CREATE INDEX subscription_by_status ON subscription (mode, status, id DESC);
CREATE INDEX subscription_ending ON subscription (mode, id DESC)
    WHERE (cancel_at_period_end OR cancel_at IS NOT NULL) AND status NOT IN ('canceled', 'incomplete_expired');
CREATE INDEX subscription_resting ON subscription (mode, id DESC)
    WHERE (pause <> '' OR status = 'paused') AND status NOT IN ('canceled', 'incomplete_expired');
CREATE INDEX subscription_by_plan ON subscription (account, plan_external_id)
    WHERE status NOT IN ('canceled', 'incomplete_expired');
"""


async def forwards() -> MigrationManager:
    """Run after the tables exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(KEYS)

    manager.add_raw(run)
    return manager
