"""How many deliveries a second other receivers accept and store, on this machine and with the same requests.

python -m tests.bench.peers            # installs them into .portal-bench/ when they are not there
python -m tests.bench.peers --short dj-stripe
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from subprocess import SubprocessError
from typing import Protocol

import asyncpg

from tests.bench.figures import INTAKE_RACE, Figure, note
from tests.bench.peers import djstripe, syncengine
from tests.bench.peers.installs import NotInstalled, installed, title
from tests.bench.peers.servers import SECRET, Ground, ground
from tests.bench.requests import Batch, replay, write_requests

SECONDS, ROUNDS, CONNECTIONS = 6, 3, 16
MOST_PER_SECOND = 8_000
_numbers = itertools.count(1)


class Peer(Protocol):
    """A module that has this."""

    NAME: str
    DATABASE: str
    PATH: str
    STORED: str

    @property
    def prepare(self) -> Callable[[Ground, Path], None]:
        """Make its tables."""

    @property
    def receiving(self) -> Callable[..., AbstractContextManager[str]]:
        """Serve."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one round brought."""

    per_second: float
    """Accepted and stored, whichever is less."""
    others: int
    ran_out: bool


PEERS: tuple[Peer, ...] = (syncengine, djstripe)
PROBLEMS = (RuntimeError, OSError, SubprocessError, AssertionError, asyncpg.PostgresError)
"""What one of them may fail with, so that the next one is measured still."""


def main(names: list[str], *, short: bool) -> int:
    """Measure each; a peer that cannot be installed has its row, one that fails too."""
    failed = False
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder, ground(Path(folder)) as stood:
        for peer in (peer for peer in PEERS if not names or peer.NAME in names):
            try:
                _measure(stood, peer, rounds=1 if short else ROUNDS, seconds=2 if short else SECONDS)
            except NotInstalled as reason:
                _say(Figure("peer", f"{title(peer.NAME)}: not installed: {reason}", None))
            except PROBLEMS as problem:
                failed = True
                print(problem)
                _say(Figure("peer", f"{title(peer.NAME)}: failed", None, met=False))
    return int(failed)


def _measure(stood: Ground, peer: Peer, *, rounds: int, seconds: int) -> None:
    place = installed(peer.NAME)
    peer.prepare(stood, place)
    for processes in (1, 2):
        with peer.receiving(stood, place, processes=processes) as url:
            _send(stood, peer, url, connections=1, seconds=1)  # what events share is made once, in peace
            _send(stood, peer, url, connections=CONNECTIONS, seconds=1)
            found = [_send(stood, peer, url, connections=CONNECTIONS, seconds=seconds) for _ in range(rounds)]
        _say(_figure(peer, processes, found))


def _send(stood: Ground, peer: Peer, url: str, *, connections: int, seconds: int) -> Taken:
    file = stood.folder / "requests.bin"
    batch = Batch(peer.PATH, next(_numbers) * 1_000_000, MOST_PER_SECOND * seconds, secret=SECRET)
    write_requests(batch, file)
    before = stood.sql(peer.STORED, peer.DATABASE)
    done = replay(file, url, connections=connections, seconds=seconds)
    stored = stood.sql(peer.STORED, peer.DATABASE) - before
    others = sum(number for status, number in done.statuses.items() if status != 200)
    return Taken(min(done.per_second(200), stored / done.seconds), others, done.ran_out)


def _figure(peer: Peer, processes: int, found: list[Taken]) -> Figure:
    words = [f"{others:,} other answers"] if (others := sum(taken.others for taken in found)) else []
    words += ["a lower bound"] if any(taken.ran_out for taken in found) else []
    rate = float(statistics.median(taken.per_second for taken in found))
    what = f"{title(peer.NAME)}, {CONNECTIONS} at a time, {processes} process{'es' if processes > 1 else ''}"
    return Figure("peer", what, rate, "/s", compared=", ".join(words), race=INTAKE_RACE)


def _say(figure: Figure) -> None:
    print(figure.what, "" if figure.value is None else f"{figure.value:,.0f} {figure.unit}", figure.compared)
    note(figure)


if __name__ == "__main__":
    wanted = [word for word in sys.argv[1:] if not word.startswith("--")]
    sys.exit(main(wanted, short="--short" in sys.argv))
