"""The figures of one run of `make bench`: each module notes its own, and the end prints them in one table."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

VARIABLE = "BENCH_FIGURES"
PEER = "peer"
TIMES_A_PEER = 3
"""So much faster than the best of them intake is to be."""
INTAKE_RACE = "deliveries a second, 16 at a time, nothing stored before"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    id: str
    """Such as `F9`; `floor` and `peer` are there to compare with."""
    what: str
    value: float | None
    """None: it was not measured, and `what` says why."""
    unit: str = ""
    target: str = ""
    met: bool = True
    compared: str = ""
    """The ratio to the floor, or what else must be known, in words."""
    race: str = ""
    """Figures of one race are compared with the best peer in it."""


def note(figure: Figure) -> None:
    """Keep it for the table; without a run around it, nothing happens."""
    if path := os.environ.get(VARIABLE):
        keep(figure, Path(path))


def keep(figure: Figure, path: Path) -> None:
    """Add it to the file of a run."""
    with path.open("a") as file:
        file.write(json.dumps(asdict(figure)) + "\n")


def noted(path: Path) -> list[Figure]:
    """What was noted, in its order."""
    return [Figure(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def machine() -> str:
    """Where it was measured, as far as it matters."""
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{psutil.cpu_count()} processors, {memory:.0f} GB, {system}"


def table(figures: list[Figure]) -> str:
    """All of them in columns."""
    heads = ("", "what", "measured", "target", "", "best peer", "beside the floor")
    rows = [heads, *(_cells(figure, figures) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column == 2 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def beside_peers(figures: list[Figure]) -> list[Figure]:
    """What the target that speaks of the best peer comes to, for each figure that has one to reach."""
    found = ((one, _times_best_peer(one, figures)) for one in figures if one.target)
    return [
        Figure(
            one.id,
            f"the best peer's rate, times; {one.what}",
            times,
            "",
            str(TIMES_A_PEER),
            times >= TIMES_A_PEER,
        )
        for one, times in found
        if times
    ]


def _cells(figure: Figure, figures: list[Figure]) -> tuple[str, ...]:
    measured = "" if figure.value is None else f"{_number(figure.value)} {figure.unit}".strip()
    verdict = _verdict(figure)
    times = _times_best_peer(figure, figures)
    ratio = f"{times:.1f} times" if times else ""
    return (figure.id, figure.what, measured, figure.target, verdict, ratio, figure.compared)


def _verdict(figure: Figure) -> str:
    if figure.met:
        return "met" if figure.target else ""
    return "FAILED" if figure.value is None else "MISSED"


def _number(value: float) -> str:
    """Three digits at least, and none behind the point of a whole number."""
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def _times_best_peer(figure: Figure, figures: list[Figure]) -> float:
    """Nothing without a peer in the same race."""
    rivals = [one.value for one in figures if one.id == PEER and one.race == figure.race and one.value]
    if figure.id == PEER or not figure.race or not figure.value or not rivals:
        return 0.0
    return figure.value / max(rivals)
