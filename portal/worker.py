"""What `dramatiq portal.worker` runs: the broker, the portal's actors and those of every loaded plugin."""

from __future__ import annotations

import importlib
import importlib.util
import logging

import dramatiq
import uvloop
from dramatiq.broker import Broker

from portal.contract.loading import import_optional, installed_plugins
from portal.database.engine import close_pool, connection_options, open_pool
from portal.garbage import leave_what_is_loaded
from portal.queue.broker import build_broker
from portal.queue.failures import SafeLines
from portal.queue.middleware import Resources, build_middleware
from portal.queue.schedule import Ticker
from portal.security.keyrings import load_keyring
from portal.security.redaction import configure_logging
from portal.settings import Settings, current_settings
from portal.sync.counts import stop_counts

logger = logging.getLogger("portal.worker")
SPARE_CONNECTIONS = 4

PORTAL_ACTORS = (
    "portal.auth.actors",
    "portal.accounts.actors",
    "portal.sync.actors",
    "portal.webhooks.actors",
    "portal.exchange.actors",
    "portal.messages.actors",
)


def prepare_worker(settings: Settings) -> Broker:
    """The broker with everything a worker process needs, set as Dramatiq's own, and all actors declared.

    Raises:
        KeyringUnusable: the key file cannot be used.
    """
    arrange_logs()
    uvloop.install()
    load_keyring(settings.keyring_file)
    options = connection_options(settings, name="portal-queue")
    middleware = [*build_middleware(), Resources(_open_pool, _close_pool), Ticker(options)]
    broker = build_broker(settings, middleware=middleware)
    dramatiq.set_broker(broker)
    import_actors()
    return broker


def arrange_logs() -> None:
    """Write JSON lines to standard error, tracebacks without values."""
    configure_logging("worker")
    for handler in logging.getLogger().handlers:
        handler.setFormatter(SafeLines("worker"))


def import_actors() -> None:
    """Import the modules that declare actors. A plugin that fails is reported and stops nothing else."""
    for name in PORTAL_ACTORS:
        if importlib.util.find_spec(name):
            importlib.import_module(name)
    for entry in installed_plugins():
        if entry.plugin is not None:
            _import_plugin_actors(entry.package)


def _import_plugin_actors(package: str) -> None:
    try:
        import_optional(package, "actors")
    # A plugin is foreign code: whatever its import raises, the other actors must run.
    except Exception:
        logger.exception("the actors of %s failed to load; its jobs become dead letters", package)


async def _open_pool() -> None:
    # A job that waits for an object keeps its connection: there must be more of them than threads.
    most = current_settings().worker_threads + SPARE_CONNECTIONS
    await open_pool(name="portal-worker", max_size=most, fixed_plans=True)


async def _close_pool() -> None:
    await stop_counts()
    await close_pool()


broker = prepare_worker(current_settings())
leave_what_is_loaded()
