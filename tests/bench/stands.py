"""What a measurement of intake stands on: a database of its own, servers, and the processor time of each."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from portal.database import embedded
from portal.database.engine import connection_options
from portal.settings import ROOT, Settings, load_settings
from portal.supervision.parts import web_argv, worker_argv

READY_SECONDS = 30.0
OURS = "portal.asgi:app"
FLOORS = "tests.bench.floors:app"


@dataclass(frozen=True, slots=True)
class Stand:
    """An embedded PostgreSQL with our tables, a connection with a webhook address, nothing that runs."""

    variables: dict[str, str]
    webhook_path: str

    @property
    def settings(self) -> Settings:
        """As every process of the stand sees them."""
        return load_settings(self.variables)

    @property
    def url(self) -> str:
        """Where its servers answer."""
        return self.settings.base_url

    async def run(self, *statements: str) -> Any:
        """Run SQL; the first value of the last statement."""
        held = await asyncpg.connect(**connection_options(self.settings, name="bench"))
        try:
            await held.execute("SET statement_timeout = 0")
            for statement in statements[:-1]:
                await held.execute(statement)
            return await held.fetchval(statements[-1])
        finally:
            await held.close()

    @contextmanager
    def web(self, app: str = OURS, *, workers: int, **environment: str) -> Iterator[list[psutil.Process]]:
        """Serve an app as the product is served; its processes."""
        variables = {**self.variables, "PORTAL_WEB_WORKERS": str(workers), **environment}
        argv = web_argv(load_settings(variables))
        with _running((*argv[:-1], app), variables, self._log("web")) as process:
            _wait_for(f"{self.url}/health")
            yield [process, *process.children(recursive=True)]

    @contextmanager
    def worker(self, *, processes: int, **environment: str) -> Iterator[list[psutil.Process]]:
        """The worker beside it."""
        variables = {**self.variables, "PORTAL_WORKER_PROCESSES": str(processes), **environment}
        with _running(worker_argv(load_settings(variables)), variables, self._log("worker")) as process:
            _wait_for_children(process, processes)
            time.sleep(3)
            yield [process, *process.children(recursive=True)]

    def postgres(self) -> list[psutil.Process]:
        """The database server's processes as they are now."""
        pid_file = self.settings.data_dir / "postgres" / "data" / "postmaster.pid"
        postmaster = psutil.Process(int(pid_file.read_text().splitlines()[0]))
        return [postmaster, *postmaster.children()]

    def _log(self, name: str) -> Path:
        return self.settings.data_dir / "logs" / f"{name}.log"


@contextmanager
def built_stand(folder: Path) -> Iterator[Stand]:
    """A stand in this folder, gone afterwards."""
    folder.chmod(0o711)  # as root the server runs as somebody else, who must pass through
    port = _free_port()
    variables = {
        "PORTAL_DATA_DIR": str(folder),
        "PORTAL_PORT": str(port),
        "PORTAL_BASE_URL": f"http://127.0.0.1:{port}",
        "PYTHONUNBUFFERED": "1",
    }
    server = embedded.ensure_running(folder, ends_with_caller=True)
    try:
        _python(variables, "-m", "portal", "migrate")
        made = json.loads(_python(variables, "-m", "tests.processes.furnishing", "0"))
        yield Stand(variables, made["webhook_path"])
    finally:
        server.stop()
        embedded.erase(folder)


def processor_seconds(processes: list[psutil.Process]) -> float:
    """What they have used until now, with those of their children that have ended."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_mb(processes: list[psutil.Process]) -> float:
    """The largest of them, in megabytes."""
    return max(process.memory_info().rss for process in processes) / 1e6


@contextmanager
def _running(argv: tuple[str, ...], variables: dict[str, str], log: Path) -> Iterator[psutil.Process]:
    with log.open("ab") as target:
        process = subprocess.Popen(argv, cwd=ROOT, env=_environment(variables), stdout=target, stderr=target)
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _python(variables: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=_environment(variables), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environment(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    return {**kept, **variables}


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with suppress(httpx.TransportError):
            httpx.get(url)
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing answers at {url}")
        time.sleep(0.1)


def _wait_for_children(process: psutil.Process, number: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while len(process.children(recursive=True)) < number:
        assert time.monotonic() < deadline, "the worker has no processes"
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def run_sql(stand: Stand, *statements: str) -> Any:
    """`Stand.run` for callers without a loop."""
    return asyncio.run(stand.run(*statements))
