"""The parts of a running portal: what each is started with, and how one knows that it is ready."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

from portal.contract.descriptions import LocalService
from portal.contract.loading import installed_plugins
from portal.settings import Settings
from portal.supervision.addresses import answers, loopback

WEB_STOP_SECONDS = 3
"""A page with live updates holds its connection until then."""
WORKER_STOP_SECONDS = 10
SERVICE_STOP_SECONDS = 3
MARGIN_SECONDS = 2
"""Between the deadline a part keeps by itself and the moment it is killed."""

Probe = Callable[[str], bool]
"""Given what the part has written to its log since it was started: is it ready?"""


@dataclass(frozen=True, slots=True)
class Part:
    """A process group that belongs to the portal."""

    name: str
    argv: tuple[str, ...]
    log: Path
    ready: Probe
    detail: str
    """Said when it is ready: where it is, or how much of it there is."""
    stop_seconds: float
    environ: Mapping[str, str] = field(default_factory=dict)


def web_argv(settings: Settings) -> tuple[str, ...]:
    """The web server: stops within a deadline, replaces dead workers, and waits for no slow header."""
    return (
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--no-ws"),
        *("--host", settings.host, "--port", str(settings.port), "--workers", str(settings.web_workers)),
        *("--http", "1", "--http1-header-read-timeout", "10000", "--backlog", "2048"),
        *("--respawn-failed-workers", "--respawn-interval", "0.2"),
        *("--workers-kill-timeout", f"{WEB_STOP_SECONDS}s", "portal.asgi:app"),
    )


def worker_argv(settings: Settings) -> tuple[str, ...]:
    """Dramatiq: stops taking messages at once and gives running ones a deadline."""
    return (
        *(sys.executable, "-m", "dramatiq", "portal.worker"),
        *("--processes", str(settings.worker_processes), "--threads", str(settings.worker_threads)),
        *("--worker-shutdown-timeout", str(WORKER_STOP_SECONDS * 1000)),
    )


def local_services(settings: Settings) -> list[LocalService]:
    """What the plugins want beside the portal; nothing in production."""
    if not settings.local:
        return []
    plugins = [entry.plugin for entry in installed_plugins() if entry.plugin]
    return [service for plugin in plugins for service in plugin.local_services(settings)]


def parts_of(settings: Settings, services: Sequence[LocalService]) -> list[Part]:
    """All parts but the database, in the order of stopping: what brings work first, what work needs last."""
    environ = {name: value for service in services for name, value in service.environ.items()}
    logs = settings.data_dir / "logs"
    web = Part(
        name="web",
        argv=web_argv(settings),
        log=logs / "web.log",
        ready=answering(f"http://{loopback(settings.host)}:{settings.port}/health"),
        detail=settings.base_url,
        stop_seconds=WEB_STOP_SECONDS + MARGIN_SECONDS,
        environ=environ,
    )
    worker = Part(
        name="worker",
        argv=worker_argv(settings),
        log=logs / "worker.log",
        ready=saying("ready for action", times=settings.worker_processes),
        detail=f"{settings.worker_processes} x {settings.worker_threads} threads",
        stop_seconds=WORKER_STOP_SECONDS + MARGIN_SECONDS,
        environ=environ,
    )
    return [web, worker, *(_service_part(service, logs) for service in services)]


def answering(url: str) -> Probe:
    """Ready when the address answers."""
    return lambda _said: answers(url)


def saying(words: str, *, times: int) -> Probe:
    """Ready when the log says so."""
    return lambda said: said.count(words) >= times


def _service_part(service: LocalService, logs: Path) -> Part:
    return Part(
        name=service.name,
        argv=service.argv,
        log=logs / f"{service.name}.log",
        ready=answering(service.ready_url),
        detail=urljoin(service.ready_url, "/").rstrip("/"),
        stop_seconds=SERVICE_STOP_SECONDS + MARGIN_SECONDS,
    )
