"""`python -m tests.faults [--seed N] [--rows F1,F4] [--rounds N]`: the fault run, as a table."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.faults.runs import Verdict, run_rows
from tests.faults.schedules import Row, rows


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; 1 when anything was broken."""
    options = _parser().parse_args(arguments)
    chosen = _chosen(options.rows)
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(10_000)
    began, broken = time.monotonic(), 0
    _say(f"{'row':<5}{'broker':<10}{'seed':>5}{'healed':>9}{'took':>8}  verdict")
    for seed in range(first, first + options.rounds):
        for verdict in run_rows(chosen, seed=seed):
            _show(verdict)
            broken += bool(verdict.broken)
    number = len(chosen) * options.rounds
    _say(f"\n{number - broken} of {number} rows kept every promise, in {time.monotonic() - began:.0f} s.")
    return 1 if broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="The fault run.")
    parser.add_argument("--seed", type=int, help="what the dice start with; printed with each row")
    parser.add_argument("--rows", default="", help="only these, such as F1,F4 or F5:redis")
    parser.add_argument("--rounds", type=int, default=1, help="how often, each with the next seed")
    return parser


def _chosen(names: str) -> list[Row]:
    if not names:
        return rows()
    wanted = set(names.split(","))
    found = [row for row in rows() if wanted & {row.name, f"{row.name}:{row.broker}"}]
    if not found:
        raise SystemExit(f"There is none of {names}. There are {', '.join(row.name for row in rows())}.")
    return found


def _show(verdict: Verdict) -> None:
    row = verdict.row
    word = "BROKEN" if verdict.broken else "kept"
    figures = f"{verdict.seed:>5}{verdict.healed_after:>7.1f} s{verdict.took:>6.1f} s"
    _say(f"{row.name:<5}{row.broker:<10}{figures}  {word:<7}{row.title}: {verdict.seen}")
    for words in verdict.broken:
        _say(f"      {words}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the table is what is asked for


if __name__ == "__main__":
    sys.exit(main())
