"""Counts how often a worker died over an event, apart from the attempts that failed politely."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns.column_types import BigInt
from piccolo.columns.indexes import IndexMethod

ID = "2026-11-23T17:40:00"
VERSION = "1.38.0"
DESCRIPTION = "crashes"


async def forwards() -> MigrationManager:
    """Run after the first tables; old code leaves the column alone."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    manager.add_column(
        table_class_name="WebhookEvent",
        tablename="webhook_event",
        column_name="crashes",
        db_column_name="crashes",
        column_class_name="BigInt",
        column_class=BigInt,
        params={
            "default": 0,
            "null": False,
            "primary_key": False,
            "unique": False,
            "index": False,
            "index_method": IndexMethod.btree,
            "choices": None,
            "db_column_name": None,
            "secret": False,
        },
        schema=None,
    )

    return manager
