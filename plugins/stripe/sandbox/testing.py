"""A sandbox for tests: a child process on a free port, gone when the test ends."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.stripe.sandbox.keys import DEFAULT, WorldKeys

ROOT = Path(__file__).resolve().parents[3]
READY_SECONDS = 30.0
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that runs. `keys` are those of account A in test mode."""

    url: str
    process: subprocess.Popen[bytes]
    keys: WorldKeys = DEFAULT

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A call under `/_sandbox`: `control("POST", "/faults", {...})`. Its JSON answer.

        Raises:
            RuntimeError: the sandbox refused; the message says why.
        """
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self.url}/_sandbox{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - the same
                return json.load(reply)
        except urllib.error.HTTPError as error:
            words = error.read().decode("utf-8", "replace")
            raise RuntimeError(f"{method} {path}: {error.code} {words}") from None

    def reset(self) -> None:
        """Empty every world and forget faults, calls and made keys."""
        self.control("POST", "/reset", {})

    def add_fault(self, **rule: Any) -> None:
        """Put a fault in force: `add_fault(match="POST /v1/invoices", status=500)`."""
        self.control("POST", "/faults", rule)

    def calls(self) -> dict[str, int]:
        """How often each route was called."""
        counts: dict[str, int] = self.control("GET", "/calls")["counts"]
        return counts

    def advance(self, seconds: float, **where: Any) -> None:
        """Move the clocks on."""
        self.control("POST", "/clock", {"advance_seconds": seconds, **where})

    def deliver(self, **manner: Any) -> None:
        """Change how webhooks are delivered: `deliver(hold=True)`."""
        self.control("POST", "/deliver", manner)

    def settle(self, payment_intent: str, outcome: str | None = None) -> dict[str, Any]:
        """End a bank debit now."""
        body = {"payment_intent": payment_intent} | ({"outcome": outcome} if outcome else {})
        intent: dict[str, Any] = self.control("POST", "/settle", body)
        return intent


@contextlib.contextmanager
def running_sandbox(
    port: int = 0, *, state: Path | None = None, arguments: tuple[str, ...] = ()
) -> Iterator[RunningSandbox]:
    """Start a sandbox, wait until it answers, stop it at the end. Port 0 takes a free one."""
    port = port or _free_port()
    command = [sys.executable, "-m", "plugins.stripe.sandbox", "--port", str(port), *arguments]
    if state is not None:
        command += ["--state", str(state)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        sandbox = RunningSandbox(f"http://127.0.0.1:{port}", process)
        try:
            _wait_until_ready(sandbox)
            yield sandbox
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(sandbox: RunningSandbox) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if sandbox.process.poll() is not None:
            output = sandbox.process.stdout.read().decode() if sandbox.process.stdout else ""
            raise RuntimeError(f"The sandbox ended at once: {output[-2000:]}")
        with contextlib.suppress(OSError, RuntimeError):
            sandbox.control("GET", "/ready")
            return
        time.sleep(0.05)
    raise TimeoutError(f"The sandbox was not ready after {READY_SECONDS:.0f} seconds.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
