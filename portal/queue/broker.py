"""The broker by URL: PostgreSQL when none is given, RabbitMQ or Redis for several machines."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import dramatiq
from dramatiq.broker import Broker
from dramatiq.encoder import JSONEncoder
from dramatiq.message import get_encoder
from dramatiq.middleware import Middleware

from portal.database.engine import connection_options
from portal.errors import ConfigurationError
from portal.queue.jobs import DEAD_DAYS
from portal.queue.middleware import build_middleware
from portal.queue.postgres import DEFAULT_LEASE, PostgresBroker
from portal.settings import Settings, current_settings

SOCKET_SECONDS = 2
REDIS_HEARTBEAT = timedelta(seconds=15)
REDIS_MAINTENANCE_ALWAYS = 1_000_000
"""Out of a million commands. Less leaves a killed worker's jobs lying for minutes on a quiet queue."""

DAY_MS = 86_400_000


def build_broker(
    settings: Settings, *, middleware: list[Middleware] | None = None, lease: timedelta | None = None
) -> Broker:
    """The broker that the settings name, with the portal's middleware. Nothing is connected yet.

    Args:
        settings: `broker_url` decides; None is PostgreSQL.
        middleware: instead of the portal's.
        lease: after how long a dead worker's jobs are delivered again. RabbitMQ notices by itself.

    Raises:
        ConfigurationError: the URL has another scheme, or the process encodes messages other than as JSON.
    """
    refuse_other_encoders()
    chosen = build_middleware() if middleware is None else middleware
    url = settings.broker_url
    if url is None:
        options = connection_options(settings, name="portal-queue")
        return PostgresBroker(options, lease=lease or DEFAULT_LEASE, middleware=chosen)
    scheme = urlsplit(url).scheme
    if scheme in ("amqp", "amqps"):
        return _build_rabbitmq(url, chosen)
    if scheme in ("redis", "rediss"):
        return _build_redis(url, chosen, lease or REDIS_HEARTBEAT)
    raise ConfigurationError(
        f"PORTAL_BROKER_URL starts with {scheme}://, which is no broker the portal knows.",
        hint="Use amqp:// for RabbitMQ or redis:// for Redis, or leave it out to use PostgreSQL.",
    )


def current_broker() -> Broker:
    """The broker of this process: the worker's own, or one made now from the settings."""
    # Never get_broker() alone, which makes up a RabbitMQ on localhost when none is set.
    if dramatiq.broker.global_broker is None:
        dramatiq.set_broker(build_broker(current_settings()))
    return dramatiq.get_broker()


def refuse_other_encoders() -> None:
    """Make sure that messages are JSON: unpickling one would run whatever its writer likes.

    Raises:
        ConfigurationError: another encoder is set.
    """
    if type(get_encoder()) is not JSONEncoder:
        raise ConfigurationError(
            "Dramatiq's messages must be encoded as JSON.", hint="Remove the call of dramatiq.set_encoder."
        )


def _build_rabbitmq(url: str, middleware: list[Middleware]) -> Broker:
    from dramatiq.brokers.rabbitmq import RabbitmqBroker  # noqa: PLC0415 - pika, only where it is used

    deadlines = {
        "socket_timeout": SOCKET_SECONDS,
        "stack_timeout": SOCKET_SECONDS,
        "blocked_connection_timeout": SOCKET_SECONDS,
        "connection_attempts": 1,
        "heartbeat": 30,
    }
    return RabbitmqBroker(url=_with_query(url, deadlines), confirm_delivery=True, middleware=middleware)


def _build_redis(url: str, middleware: list[Middleware], heartbeat: timedelta) -> Broker:
    from dramatiq.brokers.redis import RedisBroker  # noqa: PLC0415 - redis-py, only where it is used

    deadlines = {"socket_timeout": SOCKET_SECONDS, "socket_connect_timeout": SOCKET_SECONDS}
    return RedisBroker(  # type: ignore[no-untyped-call]  # Dramatiq leaves it untyped
        url=_with_query(url, deadlines),
        middleware=middleware,
        maintenance_chance=REDIS_MAINTENANCE_ALWAYS,
        heartbeat_timeout=int(heartbeat.total_seconds() * 1000),
        dead_message_ttl=DEAD_DAYS * DAY_MS,
    )


def _with_query(url: str, defaults: dict[str, int]) -> str:
    """The URL with these parameters, unless it says otherwise itself."""
    parts = urlsplit(url)
    said = dict(parse_qsl(parts.query))
    return urlunsplit(parts._replace(query=urlencode({**defaults, **said})))
