"""How many deliveries a second are accepted and committed, beside a bare receiver that does nothing else.

python -m tests.bench.intake            # all of it: some minutes, and a gigabyte of disk
python -m tests.bench.intake --short    # one round, without the million
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from tests.bench.figures import INTAKE_RACE, Figure, note
from tests.bench.floors import TABLE
from tests.bench.requests import Batch, Replayed, replay, write_requests
from tests.bench.seeds import MONTHS, SEED
from tests.bench.stands import FLOORS, OURS, Stand, built_stand, memory_mb, processor_seconds

TARGET = 5_000
MOST_PER_SECOND = 14_000
"""More than anything here reaches: so many requests are written for each second."""
CONNECTIONS = (16, 64)
RACE_CONNECTIONS = 16
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of it is done."""

    rounds: int = 3
    seconds: int = 4
    """Of each case in each round."""
    million: bool = True
    """With a large inbox too."""
    only: str = ""
    """Cases with this in their names."""


SHORT = Effort(rounds=1, seconds=1, million=False)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is measured."""

    name: str
    app: str = OURS
    workers: int = 2
    connections: int = 16
    copies: int = 1
    signed: bool = True
    stored: int = 0
    """Events that are in the inbox before."""
    floor: str = ""
    with_worker: bool = False

    @property
    def status(self) -> int:
        """The answer that counts."""
        return 200 if self.signed else 400


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: medians over the rounds."""

    case: Case
    per_second: float
    median_ms: float
    p99_ms: float
    web_micros: float
    """Processor time of the web processes for each answer that counts."""
    postgres_micros: float
    memory_mb: float
    others: int
    """Other answers than the expected one; none is right."""
    per_commit: float
    """Answers that count for each commit of the database."""


def cases(*, million: bool) -> list[Case]:
    """Everything that is measured, floors first."""
    both = [Case("one delivery, one commit: the bare floor", FLOORS, floor="single")]
    both += [Case("waiting ones share a commit: the grouped floor", FLOORS, floor="grouped")]
    both += [Case("this portal")]
    single = [replace(case, name=f"{case.name}, 1 process", workers=1) for case in both[1:]]
    odd = [Case("every event 4 times", copies=4), Case("bad signatures", signed=False)]
    found = [replace(case, connections=number) for case in both + single + odd for number in CONNECTIONS]
    found.append(Case("with 1 worker process beside it", connections=16, with_worker=True))
    if million:
        found += [Case("this portal, 1,000,000 stored", connections=n, stored=1_000_000) for n in CONNECTIONS]
    return found


def measure(effort: Effort) -> list[Row]:
    """Run every case in turn, some rounds over, so that a slow minute touches all of them."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        return _measure(Path(folder), effort)


def print_rows(rows: list[Row]) -> None:
    """Print the table, with the ratio to the grouped floor of the same processes and connections."""
    floors = {(r.case.workers, r.case.connections): r.per_second for r in rows if r.case.floor == "grouped"}
    print(f"{'':<52}{'conn':>5}{'/s':>8}{'of floor':>9}{'p50 ms':>8}{'p99 ms':>8}{'web us':>8}{'pg us':>7}"
          f"{'MB':>6}{'a commit':>9}{'other':>6}")  # fmt: skip
    for row in rows:
        floor = floors.get((row.case.workers, row.case.connections))
        ratio = f"{row.per_second / floor:.0%}" if floor else ""
        _note(row, floor or 0.0)
        print(f"{row.case.name:<52}{row.case.connections:>5}{row.per_second:>8.0f}{ratio:>9}"
              f"{row.median_ms:>8.1f}{row.p99_ms:>8.1f}{row.web_micros:>8.0f}{row.postgres_micros:>7.0f}"
              f"{row.memory_mb:>6.0f}{row.per_commit:>9.1f}{row.others:>6}")  # fmt: skip


def _note(row: Row, floor: float) -> None:
    case, rate = row.case, row.per_second
    processes = "1 process" if case.workers == 1 else f"{case.workers} processes"
    stored = f", {case.stored:,} stored before" if case.stored else ""
    name = case.name.partition(", 1")[0].removeprefix("this portal")
    what = f"{name or 'deliveries'}, {case.connections} at a time, {processes}{stored}"
    ours = case.name.startswith("this portal")
    judged = ours and case.workers > 1
    race = INTAKE_RACE if ours and case.connections == RACE_CONNECTIONS and not case.stored else ""
    share = f"{rate / floor:.0%} of the grouped floor" if floor and ours else ""
    target = f"{TARGET:,} /s" if judged else ""
    note(
        Figure(
            "floor" if case.floor else "F1",
            what,
            rate,
            "/s",
            target,
            not judged or rate >= TARGET,
            share,
            race,
        )
    )
    if judged and floor:
        part = 100 * rate / floor
        note(Figure("F1", "the same as a share of the grouped floor", part, "%", "70 %", part >= 70))


def _measure(folder: Path, effort: Effort) -> list[Row]:
    runs: dict[Case, list[Row]] = {}
    with built_stand(folder) as stand:
        asyncio.run(stand.run(TABLE))
        wanted = [case for case in cases(million=effort.million) if effort.only in case.name]
        for stored in sorted({case.stored for case in wanted}):
            _prepare(stand, stored)
            for _ in range(effort.rounds):
                for case in (case for case in wanted if case.stored == stored):
                    runs.setdefault(case, []).append(_run(stand, case, effort.seconds))
    return [_median(case, rows) for case, rows in runs.items()]


def _prepare(stand: Stand, stored: int) -> None:
    asyncio.run(stand.run("TRUNCATE webhook_event, webhook_identity, portal_job, floor_event", "CHECKPOINT"))
    if stored:
        asyncio.run(stand.run(MONTHS, SEED.format(events=stored), "VACUUM ANALYZE", "CHECKPOINT"))


def _run(stand: Stand, case: Case, seconds: int) -> Row:
    file = stand.settings.data_dir / "requests.bin"
    with _serving(stand, case) as web:
        _send(stand, case, file, seconds=1)  # the pool opens, the plans are made
        before = processor_seconds(web), processor_seconds(stand.postgres())
        commits = _commits(stand)
        done = _send(stand, case, file, seconds=seconds)
        after = processor_seconds(web), processor_seconds(stand.postgres())
        memory = memory_mb(web)
    commits = _commits(stand) - commits
    answers = max(done.statuses.get(case.status, 0), 1)
    web_micros, postgres_micros = ((b - a) * 1e6 / answers for a, b in zip(before, after, strict=True))
    others = sum(number for status, number in done.statuses.items() if status != case.status)
    return Row(case, done.per_second(case.status), done.median_ms, done.p99_ms, web_micros, postgres_micros,
               memory, others, answers / max(commits, 1))  # fmt: skip


def _commits(stand: Stand) -> int:
    found: int = asyncio.run(
        stand.run("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
    )
    return found


@contextmanager
def _serving(stand: Stand, case: Case) -> Iterator[list[psutil.Process]]:
    with ExitStack() as stack:
        environment = {"FLOOR": case.floor} if case.floor else {}
        web = stack.enter_context(stand.web(case.app, workers=case.workers, **environment))
        if case.with_worker:
            stack.enter_context(stand.worker(processes=1))
        yield web


def _send(stand: Stand, case: Case, file: Path, *, seconds: int) -> Replayed:
    events = MOST_PER_SECOND * seconds // case.copies
    first = next(_numbers) * 1_000_000
    path = "/" if case.floor else stand.webhook_path
    batch = Batch(path, first, events, case.copies)
    write_requests(batch if case.signed else replace(batch, secret="whsec_of_somebody_else"), file)
    return replay(file, stand.url, connections=case.connections, seconds=seconds)


def _median(case: Case, rows: list[Row]) -> Row:
    def of(name: str) -> float:
        return float(statistics.median(getattr(row, name) for row in rows))

    return Row(case, of("per_second"), of("median_ms"), of("p99_ms"), of("web_micros"), of("postgres_micros"),
               of("memory_mb"), sum(row.others for row in rows), of("per_commit"))  # fmt: skip


if __name__ == "__main__":
    effort = SHORT if "--short" in sys.argv else Effort()
    words = next((word for word in sys.argv[1:] if not word.startswith("--")), "")
    print_rows(measure(replace(effort, only=words)))
