"""`make bench`: every measurement in turn, in one go, and one table at the end.

python -m tests.bench                       # all of the portal and its floors
python -m tests.bench --peers               # other people's receivers too, installed when they are not there
python -m tests.bench ordering memory       # only these
python -m tests.bench --short               # each as short as it can be, to see that it runs
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from portal.settings import ROOT
from tests.bench.figures import VARIABLE, Figure, beside_peers, keep, machine, noted, table

PEERS = "peers"
MODULES = (
    *("ordering", "intake", PEERS, "processing", "backfill"),
    *("lists", "validating", "pages", "documents", "memory"),
)
"""In this order: what is compared with each other side by side, the longest last."""
LIMIT_SECONDS = 5400
"""For one of them; the longest that may be asked for is an hour of memory."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says."""

    names: tuple[str, ...]
    flags: tuple[str, ...]

    @classmethod
    def of(cls, words: list[str]) -> Wanted:
        """Peers are measured when they are named."""
        flags = {word for word in words if word.startswith("--")}
        names = tuple(word for word in words if word not in flags)
        with_peers = f"--{PEERS}" in flags
        if not names:
            names = tuple(name for name in MODULES if name != PEERS or with_peers)
        elif with_peers and PEERS not in names:
            names = (*names, PEERS)
        return cls(names, tuple(sorted(flags - {f"--{PEERS}"})))

    @property
    def unknown(self) -> set[str]:
        """Words that nothing here understands."""
        return (set(self.names) - set(MODULES)) | (set(self.flags) - {"--short"})


def main(words: list[str]) -> int:
    """Run them one after the other; 1 when one of them failed or, unless it is short, a target was missed."""
    wanted = Wanted.of(words)
    if wanted.unknown:
        print(
            f"Nothing is called {', '.join(sorted(wanted.unknown))}; there are {', '.join(MODULES)}, --short."
        )
        return 1
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        kept = Path(folder) / "figures.jsonl"
        for name in wanted.names:
            if problem := _run(name, wanted.flags, kept):
                keep(Figure("", f"{name}: {problem}", None, met=False), kept)
        figures = noted(kept)
    figures += beside_peers(figures)
    print(f"\n{table(figures)}\n\n{machine()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    if "--short" in wanted.flags:
        print("A short run says that it works, not how fast it is.")
        return int(any(figure.value is None and not figure.met for figure in figures))
    return int(not all(figure.met for figure in figures))


def _run(name: str, flags: tuple[str, ...], kept: Path) -> str:
    """Nothing, or how it failed."""
    print(f"\n== {name} (load of the machine before: {psutil.getloadavg()[0]:.1f})", flush=True)
    argv = [sys.executable, "-m", f"tests.bench.{name}", *flags]
    variables = {**os.environ, VARIABLE: str(kept)}
    try:
        code = subprocess.run(argv, cwd=ROOT, env=variables, timeout=LIMIT_SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        return f"did not end within {LIMIT_SECONDS:,} seconds"
    return f"failed (exit code {code}), see above" if code else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
