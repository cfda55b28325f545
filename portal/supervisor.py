"""`portal run`: PostgreSQL, migrations, local services, web and worker, watched until somebody stops them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from types import FrameType
from urllib.parse import urlsplit

from portal.contract.descriptions import LocalService
from portal.contract.loading import installed_plugins
from portal.database.embedded import Server, ensure_running
from portal.database.reachability import described, server_version
from portal.errors import ConfigurationError, PortalError
from portal.settings import Settings
from portal.supervision.addresses import require_free
from portal.supervision.children import Child, restart_delay
from portal.supervision.consoles import Console
from portal.supervision.folders import MARK, only_supervisor
from portal.supervision.logs import log_to_file
from portal.supervision.parts import local_services, parts_of

START_SECONDS = 60
TRIES_BEFORE_READY = 3
WATCH_SECONDS = 0.2
START_PAUSE_SECONDS = 0.05
SAME_STOP_SECONDS = 1.0
"""A terminal and `make` may both pass one Ctrl-C on; only a later one means "at once"."""
OTHER_PORT = "Stop that program, or choose another port: make run PORT=8080"


def run_portal(settings: Settings) -> None:
    """Run everything until Ctrl-C or SIGTERM; a second one kills at once.

    Raises:
        PortalError: something is in the way of starting; whatever was started is stopped again.
    """
    _interrupt_on_signals()
    try:
        with only_supervisor(settings):
            log_to_file(settings)
            require_free(settings.host, settings.port, hint=OTHER_PORT)
            services = local_services(settings)
            for service in services:
                _require_free_service(service)
            _Supervisor(settings, services).run()
    except KeyboardInterrupt:
        return


def _interrupt_on_signals() -> None:
    first_at: list[float] = []

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if not first_at or now - first_at[0] > SAME_STOP_SECONDS:
            first_at.append(now)
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def _require_free_service(service: LocalService) -> None:
    parts = urlsplit(service.ready_url)
    require_free(
        parts.hostname or "127.0.0.1",
        parts.port or 80,
        hint=f"Stop that program: {service.name} needs the port.",
    )


class _Supervisor:
    """The parts of one run: started together once the database is ready, stopped one by one before it."""

    def __init__(self, settings: Settings, services: Sequence[LocalService]) -> None:
        self._settings = settings
        self._console = Console()
        self._server: Server | None = None
        self._server_deaths = 0
        self._server_due_at = 0.0
        mark = {MARK: str(settings.data_dir)}
        self._children = [Child(part, mark) for part in parts_of(settings, services)]

    def run(self) -> None:
        """Start, greet, watch; then stop, whatever the reason."""
        try:
            self._report_plugins()
            self._start_database()
            self._start_children()
            self._greet()
            while True:
                self._watch()
                time.sleep(WATCH_SECONDS)
        except KeyboardInterrupt:
            self._console.say("\nStopping. Press Ctrl-C again to kill everything at once.")
        finally:
            self._stop_or_kill()

    def _start_database(self) -> None:
        if not self._settings.database_url:
            self._server = ensure_running(self._settings.data_dir, ends_with_caller=True)
        version = asyncio.run(server_version(self._settings))
        self._console.ready("database", f"PostgreSQL {version}, {described(self._settings)}")
        from portal.database.migrations import migrate  # noqa: PLC0415 - Piccolo connects when it is imported
        from portal.security.keychecks import require_keyring  # noqa: PLC0415 - the same

        asyncio.run(migrate())
        asyncio.run(require_keyring(self._settings))
        self._console.ready("migrations", "up to date")

    def _report_plugins(self) -> None:
        for entry in installed_plugins():
            if entry.error:
                self._console.trouble("plugin", entry.error)

    def _start_children(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        for child in self._children:
            child.start()
        while not all(child.announced for child in self._children):
            self._attend_children()
            for child in self._children:
                if child.deaths >= TRIES_BEFORE_READY or (
                    not child.announced and time.monotonic() > deadline
                ):
                    self._give_up(child)
            time.sleep(START_PAUSE_SECONDS)

    def _give_up(self, child: Child) -> None:
        self._console.say(child.last_words())
        raise ConfigurationError(
            f"The part {child.part.name!r} does not start.",
            hint=f"The lines above are the end of {child.part.log}.",
        )

    def _greet(self) -> None:
        from portal.auth.services import setup_link  # noqa: PLC0415 - its tables need the database settings

        link = asyncio.run(setup_link())
        self._console.say()
        if link:
            self._console.say(f"  Set the portal up:  {link}")
        else:
            self._console.say(f"  Sign in:  {self._settings.base_url}/sign-in")
        self._console.say(f"  Logs:     {self._settings.data_dir / 'logs'}\n  Stop:     Ctrl-C\n")

    def _watch(self) -> None:
        self._attend_database()
        self._attend_children()

    def _attend_database(self) -> None:
        if self._server is None or self._server.running or time.monotonic() < self._server_due_at:
            return
        self._console.trouble("database", "has ended; starting it again")
        try:
            self._server = ensure_running(self._settings.data_dir, ends_with_caller=True)
            self._server_deaths = 0
            self._console.ready("database", "again")
        except PortalError as error:
            self._server_deaths += 1
            self._server_due_at = time.monotonic() + restart_delay(self._server_deaths)
            self._console.trouble("database", error.message)

    def _attend_children(self) -> None:
        for child in self._children:
            if child.running:
                self._announce(child)
            elif how := child.note_death():
                seconds = f"{restart_delay(child.deaths):g} s"
                self._console.trouble(child.part.name, f"{how}; again in {seconds}, see {child.part.log}")
            elif time.monotonic() >= child.start_due_at:
                child.start()

    def _announce(self, child: Child) -> None:
        if not child.announced and child.ready:
            child.announced = True
            self._console.ready(child.part.name, child.part.detail)

    def _stop_or_kill(self) -> None:
        try:
            self._stop()
        except KeyboardInterrupt:
            for child in self._children:
                child.kill()
            if self._server:
                self._server.kill()

    def _stop(self) -> None:
        for child in self._children:
            child.stop()
        if self._server:
            self._server.stop()
