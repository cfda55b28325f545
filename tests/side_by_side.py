"""Runs all tests in two pytest processes at once: `make test`. Half of the time is waiting, not computing.

Each process has a PostgreSQL, a data folder and ports of its own. What starts whole portals is in one of
them, what uses a broker in the other, so that no two tests share something outside of their process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import IO

PORTALS = (
    "tests/processes",
    "tests/test_supervisor.py",
    "tests/test_keys.py",
    "e2e",
)
"""What starts whole portals: about half of the time."""
NO_TESTS = 5
"""How pytest says that a selection left nothing to run."""


def main(arguments: list[str]) -> int:
    """Run both halves; the second one's words come when the first has ended. 0 when both are green."""
    rest = [*arguments, "tests", *(f"--ignore={path}" for path in PORTALS if path != "e2e")]
    if "PORTAL_TEST_DATABASE_URL" in os.environ:  # one database for all: one after the other
        return _verdict([_pytest(rest).wait(), _pytest([*arguments, *PORTALS]).wait()])
    with tempfile.TemporaryFile() as said:
        portals = _pytest([*arguments, *PORTALS], output=said)
        try:
            codes = [_pytest(rest).wait(), portals.wait()]
        finally:
            portals.terminate()
        said.seek(0)
        sys.stdout.write(said.read().decode(errors="replace"))
    return _verdict(codes)


def _pytest(arguments: list[str], *, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT if output else None)


def _verdict(codes: list[int]) -> int:
    if all(code == NO_TESTS for code in codes):
        return NO_TESTS
    return max(code for code in codes if code != NO_TESTS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
