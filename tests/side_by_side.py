"""Runs all tests in three pytest processes at once: `make test`. Most of the time is waiting, not computing.

Each process has a PostgreSQL, a data folder and ports of its own, and what starts whole portals takes ports
that are free. The parts are of about the same length.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import IO

JOURNEYS = ("tests/faults", "e2e")
"""Whole portals that lose what they depend on, and whole portals before a browser."""
SERVICES = ("tests/plugins/stripe/services", "tests/plugins/stripe/connecting", "tests/processes")
"""What asks the sandbox, a thousand histories among it, and whole portals under load."""
NO_TESTS = 5
"""How pytest says that a selection left nothing to run."""


def main(arguments: list[str]) -> int:
    """Run the parts; the others' words come when the largest has ended. 0 when all are green."""
    apart = (JOURNEYS, SERVICES)
    ignored = [f"--ignore={path}" for paths in apart for path in paths if path != "e2e"]
    rest = [*arguments, "tests", *ignored]
    if "PORTAL_TEST_DATABASE_URL" in os.environ:  # one database for all: one after the other
        return _verdict([_pytest(part).wait() for part in (rest, *([*arguments, *each] for each in apart))])
    with ExitStack() as held:
        said = [held.enter_context(tempfile.TemporaryFile()) for _ in apart]
        others = [_pytest([*arguments, *paths], output=out) for paths, out in zip(apart, said, strict=True)]
        for other in others:
            held.callback(other.terminate)
        codes = [_pytest(rest).wait(), *(other.wait() for other in others)]
        for out in said:
            out.seek(0)
            sys.stdout.write(out.read().decode(errors="replace"))
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
