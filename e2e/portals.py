"""The whole portal as `make run` starts it, on ports and in a folder of its own."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from portal.database.embedded import erase

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 90.0
STOP_SECONDS = 30.0


@dataclass(slots=True)
class RunningPortal:
    """A portal that runs: its address, and what it printed."""

    url: str
    data_dir: Path
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def setup_link(self) -> str:
        """The one-time link that it printed."""
        found = re.search(r"http://\S+/setup\?token=\S+", "\n".join(self.lines))
        assert found, "\n".join(self.lines)
        return found[0]

    @property
    def sandbox_url(self) -> str:
        """The address of its Stripe sandbox."""
        found = re.search(r"sandbox\s+ready\s+\S+ s\s+(http://\S+)", "\n".join(self.lines))
        assert found, "\n".join(self.lines)
        return found[1]

    @property
    def troubles(self) -> list[str]:
        """What it said about parts that ended by themselves."""
        return [line for line in self.lines if re.match(r"\s+\S+\s+trouble\s", line)]


@contextmanager
def running_portal(data_dir: Path, *, breaks: bool = False, **environment: str) -> Iterator[RunningPortal]:
    """Run `portal run` until the end of the block, then stop it as Ctrl-C does.

    Unless the caller `breaks` it, no part of it may end by itself: what a part forgets when it starts again
    would look like a defect of something else.
    """
    port = _free_ports()
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PORTAL_")}
    environ |= {"PORTAL_DATA_DIR": str(data_dir), "PORT": str(port), "PYTHONUNBUFFERED": "1", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "portal", "run"],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    portal = RunningPortal(f"http://127.0.0.1:{port}", data_dir, process)
    reader = threading.Thread(target=_read, args=(portal,), daemon=True)
    reader.start()
    try:
        _wait_until_ready(portal)
        yield portal
        assert breaks or not portal.troubles, "\n".join(portal.lines)
    finally:
        _stop(process)
        reader.join(5)
        if process.stdout:
            process.stdout.close()
        erase(data_dir)


def _read(portal: RunningPortal) -> None:
    if portal.process.stdout:
        portal.lines.extend(line.rstrip() for line in portal.process.stdout)


def _wait_until_ready(portal: RunningPortal) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not any("Ctrl-C" in line for line in portal.lines):
        if portal.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError("The portal did not start:\n" + "\n".join(portal.lines))
        time.sleep(0.05)


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)


def _free_ports() -> int:
    """A port whose successor is free too: the sandbox takes the next one.

    Any of many: two runs that start together would find the same first one, and share it without a word.
    """
    for port in random.SystemRandom().sample(range(23000, 25000, 2), 1000):
        if _free(port) and _free(port + 1):
            return port
    raise AssertionError("no free ports from 23000 to 25000")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
