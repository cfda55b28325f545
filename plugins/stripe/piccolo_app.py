"""Piccolo's view of the plugin's tables."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from plugins.stripe.tables import StripeLink, StripeObject

APP_CONFIG = AppConfig(
    app_name="stripe",
    migrations_folder_path=Path(__file__).parent / "piccolo_migrations",
    table_classes=[StripeLink, StripeObject],
    migration_dependencies=["portal.piccolo_app"],
)
