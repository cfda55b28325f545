"""Settings: one frozen value built from the environment, the only reader of `os.environ`."""

from __future__ import annotations

import functools
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from portal.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. Field names are the variables without `PORTAL_`, in lower case."""

    env: str
    """`local` (a person's own machine: sandbox on, plain HTTP allowed) or `production`."""
    host: str
    port: int
    base_url: str
    """Address that people and providers use, without a trailing slash. Links are built from it alone."""
    database_url: str | None
    """None: the embedded PostgreSQL under `data_dir`."""
    broker_url: str | None
    """None: the queue in PostgreSQL. `amqp://…` RabbitMQ, `redis://…` Redis."""
    data_dir: Path
    keyring_file: Path
    plugins: tuple[str, ...]
    """Importable names of the plugins to load, in order."""
    web_workers: int
    worker_processes: int
    worker_threads: int
    event_months: int
    """How many whole months of webhook events are kept beside the running one."""
    metrics_token: str | None
    smtp_url: str | None = field(repr=False)
    """Mail server, with its password. None: `local` writes files into `data_dir/mail`; else none is sent."""
    mail_from: str
    """Address that mail comes from."""
    ci: bool
    trusted_proxies: tuple[str, ...]
    """Addresses or networks of our own reverse proxies; only they may say who the visitor is."""
    failpoints: Mapping[str, str]
    """Where processes are to die on purpose, in tests: see `portal.failpoints`. Empty in production."""
    plugin_variables: Mapping[str, str]
    """`PORTAL_STRIPE_API_BASE` is here as `stripe_api_base`; read it with `plugin_option`."""

    @property
    def local(self) -> bool:
        """Whether this is a person's own machine."""
        return self.env == "local"

    @property
    def secure(self) -> bool:
        """Whether browsers reach the portal by HTTPS, so that cookies can be `Secure`."""
        return self.base_url.startswith("https://")

    @property
    def public_host(self) -> str:
        """The host name in `base_url`."""
        return urlsplit(self.base_url).hostname or ""

    def plugin_option(self, plugin: str, name: str) -> str | None:
        """The variable `PORTAL_<PLUGIN>_<NAME>`, or None when unset or empty."""
        return self.plugin_variables.get(f"{plugin}_{name}") or None


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment.

    Raises:
        ConfigurationError: a variable has a value that cannot work; the message names it.
    """
    source = os.environ if environ is None else environ
    values = {k.removeprefix("PORTAL_").lower(): v for k, v in source.items() if k.startswith("PORTAL_")}
    env = values.get("env", "local")
    if env not in ("local", "production"):
        raise ConfigurationError(f"PORTAL_ENV is {env!r}.", hint="Set it to local or production.")
    host = values.get("host", "127.0.0.1")
    port = _integer("PORTAL_PORT", values.get("port") or source.get("PORT") or "8000", at_most=65535)
    data_dir = Path(values.get("data_dir") or ROOT / ".portal").expanduser().absolute()
    return Settings(
        env=env,
        host=host,
        port=port,
        base_url=_base_url(values.get("base_url") or f"http://{_own_host(host)}:{port}", env),
        database_url=values.get("database_url") or None,
        broker_url=values.get("broker_url") or None,
        data_dir=data_dir,
        keyring_file=Path(values.get("keyring_file") or data_dir / "keyring.json").expanduser().absolute(),
        plugins=tuple(p.strip() for p in values.get("plugins", "plugins.stripe").split(",") if p.strip()),
        web_workers=_integer("PORTAL_WEB_WORKERS", values.get("web_workers") or "1", at_most=64),
        worker_processes=_integer(
            "PORTAL_WORKER_PROCESSES", values.get("worker_processes") or "1", at_most=64
        ),
        worker_threads=_integer("PORTAL_WORKER_THREADS", values.get("worker_threads") or "8", at_most=256),
        event_months=_integer("PORTAL_EVENT_MONTHS", values.get("event_months") or "13", at_most=1200),
        metrics_token=values.get("metrics_token") or None,
        smtp_url=_smtp_url(values.get("smtp_url", "")),
        mail_from=_mail_from(values),
        ci=source.get("CI", "").lower() in ("1", "true"),
        trusted_proxies=_networks("PORTAL_TRUSTED_PROXIES", values.get("trusted_proxies", "")),
        failpoints=_failpoints(values.get("failpoints", ""), env),
        plugin_variables={name: text for name, text in values.items() if name != "smtp_url"},
    )


@functools.cache
def current_settings() -> Settings:
    """The settings of this process."""
    return load_settings()


def adopt(extra: Mapping[str, str]) -> Settings:
    """Take these variables into this process, as the web and the worker of `portal run` were given them."""
    os.environ.update(extra)
    current_settings.cache_clear()
    return current_settings()


def environment_with(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process: ours, and these variables."""
    return {**os.environ, **extra}


def _integer(name: str, text: str, *, at_most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= at_most:
        raise ConfigurationError(
            f"{name} is {text!r}.", hint=f"Set it to a whole number from 1 to {at_most}."
        )
    return int(text)


def _networks(name: str, text: str) -> tuple[str, ...]:
    networks = tuple(part.strip() for part in text.split(",") if part.strip())
    for network in networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise ConfigurationError(
                f"{name} holds {network!r}.",
                hint="List addresses or networks such as 10.0.0.0/8, with commas.",
            ) from None
    return networks


def _smtp_url(text: str) -> str | None:
    """The address, looked at; what is wrong is said without quoting it, for it holds a password."""
    hint = "Write smtp://user:password@host:587, or smtps:// for a server that is encrypted from the start."
    try:
        parts = urlsplit(text)
        fits = not text or (parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0)
    except ValueError:
        fits = False
    if not fits:
        raise ConfigurationError("PORTAL_SMTP_URL is no address of a mail server.", hint=hint)
    if text and bool(parts.username) != bool(parts.password):
        raise ConfigurationError("PORTAL_SMTP_URL has a user or a password, but not both.", hint=hint)
    return text or None


def _mail_from(values: Mapping[str, str]) -> str:
    address = values.get("mail_from", "").strip()
    if address and not MAILBOX.fullmatch(address):
        raise ConfigurationError(
            f"PORTAL_MAIL_FROM is {address!r}.", hint="Write one address alone, such as billing@example.com."
        )
    if values.get("smtp_url") and not address:
        raise ConfigurationError(
            "PORTAL_MAIL_FROM is not set.",
            hint="Write the address that mail comes from, such as billing@example.com.",
        )
    return address or "portal@localhost"


def _failpoints(text: str, env: str) -> dict[str, str]:
    if text and env != "local":
        raise ConfigurationError(
            "PORTAL_FAILPOINTS is set in production.", hint="Remove it: it makes processes die on purpose."
        )
    points = dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
    if any(action not in ("kill", "once") for action in points.values()):
        raise ConfigurationError(
            f"PORTAL_FAILPOINTS is {text!r}.",
            hint="Write <place>=kill or <place>=once, several with commas between them.",
        )
    return points


def _own_host(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared, not bound


def _base_url(text: str, env: str) -> str:
    parts = urlsplit(text.rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"PORTAL_BASE_URL is {text!r}.",
            hint="Write it with its scheme, for example https://portal.example.com.",
        )
    if env == "production" and parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise ConfigurationError(
            "PORTAL_BASE_URL uses plain HTTP in production.",
            hint="Put the portal behind HTTPS and write https:// in PORTAL_BASE_URL.",
        )
    return text.rstrip("/")
