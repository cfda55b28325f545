"""Parts as running child processes, each the leader of a group of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping

from portal.processes import end_with_parent, kill_group
from portal.settings import ROOT, environment_with
from portal.supervision.parts import Part

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
QUIET_SECONDS = 60.0
"""A child that lived this long starts with a clean record."""
LOG_BYTES = 10_000_000
TAIL_LINES = 15


def restart_delay(deaths: int) -> float:
    """Seconds to wait before the next start, after so many deaths in a row."""
    return min(FIRST_DELAY_SECONDS * 2.0 ** (deaths - 1), LONGEST_DELAY_SECONDS)


class Child:
    """One part. It is started again after each death, until it is stopped."""

    def __init__(self, part: Part, environ: Mapping[str, str]) -> None:
        self.part = part
        self.announced = False
        self.deaths = 0
        self.start_due_at = 0.0
        self._environ = {**part.environ, **environ}
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._log_start = 0

    @property
    def running(self) -> bool:
        """Whether its leader lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def ready(self) -> bool:
        """Whether it does its work."""
        return self.running and self.part.ready(self.said())

    def start(self) -> None:
        """Start it; its words go to the end of its log."""
        self._make_room_in_log()
        self.announced = False
        self._started_at = time.monotonic()
        with self.part.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self.part.argv,
                cwd=ROOT,
                env=environment_with(self._environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent(),  # noqa: PLW1509 - one system call
            )

    def note_death(self) -> str:
        """Bury a child that ended by itself, plan the next start, and say how it ended."""
        if self._process is None:
            return ""
        code = self._process.returncode
        kill_group(self._process.pid)  # a dead leader's workers would keep the port
        self._process = None
        self.deaths = 1 if time.monotonic() - self._started_at > QUIET_SECONDS else self.deaths + 1
        self.start_due_at = time.monotonic() + restart_delay(self.deaths)
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"

    def stop(self) -> None:
        """End it within its deadline, workers included."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(self.part.stop_seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """End it now."""
        if self._process is not None:
            kill_group(self._process.pid)
            self._process.wait(self.part.stop_seconds)
            self._process = None

    def said(self) -> str:
        """What it wrote to its log since it was started."""
        with self.part.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read(LOG_BYTES).decode(errors="replace")

    def last_words(self) -> str:
        """The end of that, for a person."""
        return "\n".join(self.said().splitlines()[-TAIL_LINES:])

    def _make_room_in_log(self) -> None:
        if self.part.log.exists() and self.part.log.stat().st_size > LOG_BYTES:
            self.part.log.replace(self.part.log.with_suffix(".log.1"))
