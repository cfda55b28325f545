"""What every peer stands on: a database, the provider beside it, and servers that are stopped again."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from portal.database import embedded
from portal.settings import ROOT

SECRET = "whsec_of_the_peers_0123456789"
PROVIDER = "tests.bench.peers.provider:app"
READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Ground:
    """An embedded PostgreSQL and a provider, for one peer after the other."""

    folder: Path
    connection: embedded.Connection
    provider_port: int

    def variables(self, database: str) -> dict[str, str]:
        """The environment of a peer; libpq's own names say where the database is."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PORTAL_", "PG"))}
        where = {
            "PGHOST": self.connection["host"],
            "PGUSER": self.connection["user"],
            "PGDATABASE": database,
        }
        return {
            **kept,
            **where,
            "PROVIDER_PORT": str(self.provider_port),
            "WEBHOOK_SECRET": SECRET,
            "TMPDIR": str(self.folder),
        }

    def sql(self, statement: str, database: str = "postgres") -> int:
        """Run it; the first value."""
        return asyncio.run(self._sql(statement, database))

    async def _sql(self, statement: str, database: str) -> int:
        held = await asyncpg.connect(
            host=self.connection["host"], user=self.connection["user"], database=database
        )
        try:
            return int(await held.fetchval(statement) or 0)
        finally:
            await held.close()


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """All of it, gone afterwards."""
    folder.chmod(0o711)  # as root the server runs as somebody else, who must pass through
    server = embedded.ensure_running(folder, ends_with_caller=True)
    port = free_port()
    argv = (sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(port), PROVIDER)
    try:
        with serving(argv, dict(os.environ), port, folder / "provider.log"):
            yield Ground(folder, server.connection, port)
    finally:
        server.stop()
        embedded.erase(folder)


@contextmanager
def serving(
    argv: tuple[str, ...], variables: dict[str, str], port: int, log: Path, *, folder: Path = ROOT
) -> Iterator[None]:
    """Run a server from when it listens until the end of the block."""
    with log.open("ab") as target:
        process = subprocess.Popen(argv, cwd=folder, env=variables, stdout=target, stderr=target)
        try:
            _wait_for(port, process, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def run_once(argv: tuple[str, ...], variables: dict[str, str], folder: Path) -> None:
    """Run a command to its end.

    Raises:
        RuntimeError: it ended badly; with what it said last.
    """
    done = subprocess.run(
        argv, cwd=folder, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError((done.stderr + done.stdout).strip()[-600:])


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"no server came up: {log.read_text(errors='replace')[-600:]}")
        time.sleep(0.1)
