"""The portal's own PostgreSQL: made on first use, started by whoever needs it first, found after a crash."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import psutil

from portal.database.clusters import DATABASE, USER, make_cluster, private_folder
from portal.database.installations import find_installation, open_folder, reachable, server_identity
from portal.errors import ConfigurationError
from portal.processes import alive, end, end_with_parent, wait_for

SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 100
"""The kernel allows 107 bytes on Linux and 103 on macOS."""
START_SECONDS = 90
"""Also covers the recovery after a crash."""
STOP_SECONDS = 20
KILL_SECONDS = 5
PAUSE_SECONDS = 0.02
ROOTS_PLACE = Path("/var/lib/workestra-portal")
"""Where root keeps what `nobody` must reach and cannot, because the clone is in a private folder."""
OPTIONS = ("listen_addresses=", "unix_socket_permissions=0700", "log_timezone=UTC", "timezone=UTC")


class Connection(TypedDict):
    """Arguments for asyncpg and Piccolo; `host` is the folder of the socket."""

    host: str
    user: str
    database: str


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL that accepts connections."""

    connection: Connection
    pid: int
    started_here: bool
    """False: it ran already, so whoever started it ends it."""
    process: psutil.Process

    @property
    def running(self) -> bool:
        """Whether the server is still there."""
        return alive(self.process)

    def stop(self, deadline_seconds: float = STOP_SECONDS) -> None:
        """End the server, whoever started it: open transactions are rolled back, then all is written."""
        if not end(self.process, signal_number=signal.SIGINT, deadline_seconds=deadline_seconds):
            self.kill()

    def kill(self) -> None:
        """End the server at once; the next start recovers what was committed."""
        if not end(self.process, signal_number=signal.SIGQUIT, deadline_seconds=KILL_SECONDS):
            end(self.process, signal_number=signal.SIGKILL, deadline_seconds=KILL_SECONDS)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of one server are."""

    home: Path
    sockets: Path

    @property
    def data(self) -> Path:
        """The folder PostgreSQL calls PGDATA."""
        return self.home / "data"


def connection_arguments(data_dir: Path) -> Connection:
    """Where the server of this folder listens, running or not. Changes nothing."""
    return {"host": str(_places(data_dir).sockets), "user": USER, "database": DATABASE}


def ensure_running(data_dir: Path, *, ends_with_caller: bool = False) -> Server:
    """Start the server of this folder, or find the one that runs.

    May be called by any number of processes at the same time: one starts the server, the others find it.

    Args:
        data_dir: the portal's data folder; data goes to `postgres/` in it, the log to `logs/postgres.log`.
        ends_with_caller: the server also ends when the calling thread dies without a word (Linux).

    Raises:
        ConfigurationError: the folder cannot be written, PostgreSQL is missing, or it does not start.
    """
    deadline = time.monotonic() + START_SECONDS
    try:
        make_folders(data_dir)
        with _only_one(data_dir / "postgres.lock", deadline):
            places = _prepare_places(data_dir)
            return _find_or_start(data_dir, places, deadline, tied=ends_with_caller)
    except OSError as error:
        raise ConfigurationError(
            f"The database cannot be kept in {data_dir}: {error.strerror or error}.",
            hint="Make the folder writable, or choose another one with PORTAL_DATA_DIR=…",
        ) from error


@contextmanager
def running(data_dir: Path) -> Iterator[Server]:
    """The server for the length of a command; one that ran before runs on afterwards."""
    server = ensure_running(data_dir, ends_with_caller=True)
    try:
        yield server
    finally:
        if server.started_here:
            server.stop()


def make_folders(data_dir: Path) -> None:
    """The data folder, which the server's user may walk through, and the logs in it, which are ours alone."""
    open_folder(data_dir)
    (data_dir / "logs").mkdir(mode=0o700, exist_ok=True)


def erase(data_dir: Path) -> None:
    """Stop the server of this folder and delete its data, wherever it is. For tests."""
    places = _places(data_dir)
    _stop_leftover(places.data)
    for folder in {places.home, places.sockets}:
        shutil.rmtree(folder, ignore_errors=True)
    if (data_dir / "postgres").is_symlink():
        (data_dir / "postgres").unlink()


def _places(data_dir: Path) -> Places:
    home = data_dir / "postgres"
    if not home.exists() and not reachable(data_dir, server_identity()):
        home = ROOTS_PLACE / _short_name(data_dir)
    home = home.resolve()
    data = home / "data"
    if len(os.fsencode(data / SOCKET)) <= LONGEST_SOCKET_PATH:
        return Places(home, data)
    return Places(home, Path(f"/tmp/workestra-portal-{os.geteuid()}-{_short_name(home)}"))  # noqa: S108 - checked to be ours


def _short_name(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:12]


def _prepare_places(data_dir: Path) -> Places:
    identity, places = server_identity(), _places(data_dir)
    link = data_dir / "postgres"
    if places.home != link.resolve():
        _set_aside(places)
        link.unlink(missing_ok=True)
        link.symlink_to(places.home)
    open_folder(places.home)
    if not reachable(places.home, identity):
        raise ConfigurationError(
            f"PostgreSQL runs as the user nobody, who may not walk to {places.home}.",
            hint="Allow it (chmod a+x) for each folder of that path, or start the portal as its owner.",
        )
    if places.sockets != places.data:
        private_folder(places.sockets, identity)
    return places


def _set_aside(places: Places) -> None:
    """Data of an earlier folder with the same path, deleted since, is neither used nor destroyed."""
    if places.home.exists():
        _stop_leftover(places.data)
        places.home.rename(f"{places.home}-until-{time.time_ns()}")


def _stop_leftover(data: Path) -> None:
    if process := _postmaster(data):
        end(process, signal_number=signal.SIGINT, deadline_seconds=STOP_SECONDS)


@contextmanager
def _only_one(lock: Path, deadline: float) -> Iterator[None]:
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        while not _locked(descriptor):
            _pause(deadline, "Another process has been starting the database for too long.")
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pause(deadline: float, problem: str) -> None:
    if time.monotonic() > deadline:
        raise ConfigurationError(problem, hint="Look into logs/postgres.log in the data folder.")
    time.sleep(PAUSE_SECONDS)


def _find_or_start(data_dir: Path, places: Places, deadline: float, *, tied: bool) -> Server:
    """Under the lock. A server that is starting, recovering or stopping is waited for."""
    process = _postmaster(places.data)
    started_here = process is None
    while process is None or not _ready(places):
        if process is None or not alive(process):
            process, started_here = _start(data_dir, places, deadline, tied=tied), True
        _pause(deadline, f"PostgreSQL did not become ready within {START_SECONDS} seconds.")
        if started_here and not alive(process):
            raise ConfigurationError(
                "PostgreSQL ended while it was starting.",
                hint=f"Its last words are in {data_dir / 'logs' / 'postgres.log'}.",
            )
    return Server(connection_arguments(data_dir), process.pid, started_here, process)


def _postmaster(data: Path) -> psutil.Process | None:
    """The live server of this folder. A process number alone proves nothing: it may be reused or a zombie."""
    try:
        process = psutil.Process(int(_pid_file_lines(data)[0]))
        is_ours = alive(process) and Path(process.cwd()) == data
    except (IndexError, ValueError, psutil.Error):
        return None
    return process if is_ours else None


def _pid_file_lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _ready(places: Places) -> bool:
    """PostgreSQL writes its state into the eighth line of its pid file; a killed one leaves "ready" there."""
    lines = _pid_file_lines(places.data)
    if len(lines) < 8 or lines[7].strip() != "ready":
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(places.sockets / SOCKET)) == 0


def _start(data_dir: Path, places: Places, deadline: float, *, tied: bool) -> psutil.Process:
    identity = server_identity()
    made_by = places.data / "PG_VERSION"
    major = made_by.read_text().strip() if made_by.exists() else None
    installation = find_installation(major, copies=ROOTS_PLACE / "programs")
    with (data_dir / "logs" / "postgres.log").open("ab") as log:
        if major is None:
            make_cluster(installation, places.home, log, identity)
        _clear_leftovers(places, deadline)
        command = [installation.program("postgres"), "-D", str(places.data), "-k", str(places.sockets)]
        command += [word for option in OPTIONS for word in ("-c", option)]
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGINT) if tied else None,  # noqa: PLW1509 - one system call
            **identity,
        )
    child.returncode = 0  # psutil waits for it from here on; Popen would complain when it is forgotten
    return psutil.Process(child.pid)


def _clear_leftovers(places: Places, deadline: float) -> None:
    """After a kill: PostgreSQL refuses to start while its old lock files name any process that exists."""
    if not _pid_file_lines(places.data):
        return
    orphans = list(_processes_in(places.data))
    if not wait_for(orphans, deadline_seconds=min(5.0, max(0.0, deadline - time.monotonic()))):
        for orphan in orphans:
            with suppress(psutil.NoSuchProcess):
                orphan.kill()
        wait_for(orphans, deadline_seconds=5.0)
    for name in (places.data / "postmaster.pid", places.sockets / f"{SOCKET}.lock", places.sockets / SOCKET):
        name.unlink(missing_ok=True)


def _processes_in(data: Path) -> Iterator[psutil.Process]:
    """Every process of a server works in its data folder."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()) == data:
                yield process
