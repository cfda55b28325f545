"""What the portal stands on, checked one by one: each finding says what to do."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from portal.contract.loading import load_plugins
from portal.database.migrations import migration_state
from portal.database.reachability import described, server_version
from portal.errors import ConfigurationError
from portal.mail.servers import FOLDER, smtp_server
from portal.security.keychecks import KeyringMisfit, require_keyring
from portal.security.keyrings import KeyringUnusable, read_keyring
from portal.settings import LOOPBACK, Settings

State = Literal["ok", "info", "warn", "fail"]
OLDEST_PYTHON = (3, 11)
FREE_BYTES = 1_000_000_000
ANSWER_SECONDS = 3
BROKER_PORTS = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked thing: `fail` keeps the portal from working, `warn` from working well."""

    state: State
    subject: str
    words: str
    remedy: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Check everything; a failure does not end the examination."""
    return [
        _python(),
        _data_folder(settings.data_dir),
        _keyring(settings.keyring_file),
        *await _database(settings),
        await _broker(settings.broker_url),
        await _mail(settings),
        _address(settings),
        *_plugins(settings),
        _browser(),
    ]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("fail", "Python", version, "Install Python 3.11 or newer and run: make clean run")
    return Finding("ok", "Python", version)


def _data_folder(folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        remedy = "Make it writable, or choose another one with PORTAL_DATA_DIR=…"
        return Finding("fail", "Data folder", f"{folder}: {error.strerror or error}", remedy)
    if free < FREE_BYTES:
        return Finding("warn", "Data folder", f"{folder}: under 1 GB left", "Make room on that disk.")
    return Finding("ok", "Data folder", f"{folder}, {free // FREE_BYTES} GB free")


def _keyring(file: Path) -> Finding:
    if not file.exists():
        return Finding("info", "Keyring", f"{file} will be made when it is first needed")
    try:
        read_keyring(file)
    except KeyringUnusable as error:
        return Finding("fail", "Keyring", error.message, error.hint)
    return Finding("ok", "Keyring", f"{file} is private; keep a copy of it away from this machine")


async def _secrets(settings: Settings) -> Finding:
    try:
        needed = await require_keyring(settings)
    except KeyringMisfit as error:
        return Finding("fail", "Secrets", error.message, error.hint)
    except KeyringUnusable:
        return Finding("warn", "Secrets", "They cannot be tried.", "Mend the keyring first, see above.")
    words = "the key file opens those of every connection" if needed else "no connection has any yet"
    return Finding("ok", "Secrets", words)


async def _database(settings: Settings) -> list[Finding]:
    try:
        version = await server_version(settings)
    except ConfigurationError as error:
        if settings.database_url:
            return [Finding("fail", "Database", error.message, error.hint)]
        return [
            Finding("warn", "Database", "The embedded PostgreSQL does not run.", "Start it with: portal run")
        ]
    state = await migration_state()
    found = [Finding("ok", "Database", f"PostgreSQL {version}, {described(settings)}")]
    if state.complete:
        return [*found, Finding("ok", "Migrations", f"all {state.known} applied"), await _secrets(settings)]
    missing = f"{state.known - state.applied} of {state.known} not applied"
    return [*found, Finding("fail", "Migrations", missing, "Run: portal migrate")]


async def _broker(url: str | None) -> Finding:
    if url is None:
        return Finding("ok", "Queue", "in PostgreSQL")
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or BROKER_PORTS.get(parts.scheme, 0)
    where = f"{parts.scheme}://{host}:{port}"
    if not await _answers(host, port):
        return Finding("fail", "Queue", f"{where} does not answer", "Start it, or correct PORTAL_BROKER_URL.")
    return Finding("ok", "Queue", f"{where} answers")


async def _mail(settings: Settings) -> Finding:
    server = smtp_server(settings)
    if server is None and settings.local:
        words = f"no mail server; messages are written to files in {settings.data_dir / FOLDER}"
        return Finding("info", "Mail", words)
    if server is None:
        remedy = "Set PORTAL_SMTP_URL and PORTAL_MAIL_FROM."
        return Finding("warn", "Mail", "not set up: invoices and reminders cannot be sent", remedy)
    if not await _answers(server.host, server.port):
        remedy = "Open the way to it, or correct PORTAL_SMTP_URL."
        return Finding("fail", "Mail", f"{server} does not answer", remedy)
    return Finding("ok", "Mail", f"{server} answers; messages come from {settings.mail_from}")


async def _answers(host: str, port: int) -> bool:
    """Whether anything listens there."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _address(settings: Settings) -> Finding:
    if settings.public_host in LOOPBACK:
        remedy = (
            "Providers cannot deliver webhooks here; set PORTAL_BASE_URL to your public https:// address."
        )
        state: State = "info" if settings.local else "warn"
        return Finding(state, "Address", f"{settings.base_url} is this machine only", remedy)
    if not settings.secure:
        remedy = "Put HTTPS in front and write https:// in PORTAL_BASE_URL."
        return Finding("warn", "Address", f"{settings.base_url} is not encrypted", remedy)
    return Finding("ok", "Address", settings.base_url)


def _plugins(settings: Settings) -> list[Finding]:
    return [
        Finding("ok", "Plugin", f"{entry.plugin.manifest.title} ({entry.package})")
        if entry.plugin
        else Finding(
            "fail", "Plugin", f"{entry.package}: {entry.error}", "Mend it, or change PORTAL_PLUGINS."
        )
        for entry in load_plugins(settings)
    ]


def _browser() -> Finding:
    for name in BROWSERS:
        if found := shutil.which(name):
            return Finding("info", "Browser", f"{found} (for tests only)")
    return Finding("info", "Browser", "no Chromium on PATH; only browser tests need one")
