"""Piccolo's entry: the engine and the apps (the portal's own, then each plugin's that has one)."""

from piccolo.conf.apps import AppRegistry

from portal.database.engine import build_engine
from portal.database.migrations import app_modules
from portal.settings import current_settings

DB = build_engine(current_settings())
APP_REGISTRY = AppRegistry(apps=app_modules())
