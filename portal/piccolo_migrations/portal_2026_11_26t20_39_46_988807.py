"""Mail is put together when it is sent: what is attached lies nowhere."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

ID = "2026-11-26T20:39:46:988807"
VERSION = "1.38.0"
DESCRIPTION = ""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    manager.drop_column(
        table_class_name="MailMessage",
        tablename="mail_message",
        column_name="attachment",
        db_column_name="attachment",
        schema=None,
    )

    manager.drop_column(
        table_class_name="MailMessage",
        tablename="mail_message",
        column_name="attachment_name",
        db_column_name="attachment_name",
        schema=None,
    )

    return manager
