"""The rows of the fault model: what goes wrong, in which world, and how it is put right again.

A row injects its fault and takes it back; the runner then waits until all is at rest and asks the invariants.
What a row asserts itself is what they cannot see: what was answered meanwhile, and that the fault did strike.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.worlds import World

Scenario = Callable[[World, random.Random], Awaitable[str]]
"""Returns what was seen, in a few words."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the fault model."""

    name: str
    title: str
    run: Scenario
    broker: str
    heals_within: float
    last: bool
    """It leaves a world that is of no further use."""
    quick: bool
    """Part of the short set of `make test`."""


MODULES = (
    "rows_of_deliveries",
    "rows_of_stripe",
    "rows_of_processes",
    "rows_of_databases",
    "rows_of_brokers",
)
_ROWS: list[Row] = []


def row(
    name: str,
    title: str,
    *,
    broker: str = "postgres",
    heals_within: float = 60.0,
    last: bool = False,
    quick: bool = False,
) -> Callable[[Scenario], Scenario]:
    """Declare a row."""

    def declare(run: Scenario) -> Scenario:
        _ROWS.append(Row(name, title, run, broker, heals_within, last, quick))
        return run

    return declare


def rows() -> list[Row]:
    """All of them, in the order in which they run in their worlds."""
    for name in MODULES:
        importlib.import_module(f"tests.faults.{name}")
    return sorted(_ROWS, key=lambda each: each.last)


async def soon(true: Callable[[], Awaitable[object]], *, what: str, seconds: float = 20.0) -> None:
    """Poll until it holds.

    Raises:
        AssertionError: it never did.
    """
    deadline = time.monotonic() + seconds
    while not await true():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.05)
