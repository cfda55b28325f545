"""Geometry of the charts that pages draw as SVG: bars, lines, round grid lines. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

WIDTH, HEIGHT = 420, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 4, 10, 24
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
GRID_LINES = 4
MAX_BAR = 36.0
NAMED_LABELS = 12

SeriesTone = Literal["run", "ok", "bad", "warn", "mute"]


@dataclass(frozen=True, slots=True)
class Series:
    """One row of figures: a whole number a label, none below zero."""

    name: str
    values: tuple[int, ...]
    tone: SeriesTone = "run"


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle in the chart's own units, with the words a pointer shows."""

    x: float
    y: float
    width: float
    height: float
    tone: SeriesTone
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A grid line or a label: where it is and what it says."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Point:
    """A corner of the line."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw. `summary` is the one sentence that says what the picture shows.

    Several series are stacked as bars; a line draws the first one only.
    """

    id: str
    title: str
    summary: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    show: Callable[[int], str] = str
    """Words for a figure, such as `$1,240.00`; used in titles and in the table."""
    show_short: Callable[[int], str] | None = None
    """Words for a grid line where `show` is too long."""
    empty: str = "No payments yet"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but zeros."""
        return not any(any(series.values) for series in self.series)

    @property
    def top(self) -> int:
        """The round value of the highest grid line."""
        stacked = [sum(column) for column in zip(*(series.values for series in self.series), strict=True)]
        return round_up(max(stacked, default=0))

    def grid(self) -> list[Tick]:
        """Horizontal lines from zero upwards."""
        show = self.show_short or self.show
        values = sorted({self.top * step // GRID_LINES for step in range(GRID_LINES + 1)})
        return [Tick(at=self._y(value), text=show(value)) for value in values]

    def columns(self) -> list[Tick]:
        """Labels below the axis; some are left out when there are many."""
        every = -(-len(self.labels) // NAMED_LABELS) if self.labels else 1
        return [Tick(self._middle(at), label) for at, label in enumerate(self.labels) if (at % every) == 0]

    def bars(self) -> list[Bar]:
        """Stacked bars, first series at the bottom."""
        return [bar for at in range(len(self.labels)) for bar in self._stack(at)]

    def points(self) -> list[Point]:
        """The line of the first series."""
        values = self.series[0].values
        return [
            Point(self._middle(at), self._y(value), f"{self.labels[at]}: {self.show(value)}")
            for at, value in enumerate(values)
        ]

    def line(self) -> str:
        """The points as a path."""
        return " ".join(f"{'L' if at else 'M'}{point.x} {point.y}" for at, point in enumerate(self.points()))

    def area(self) -> str:
        """The path closed down to the axis."""
        points = self.points()
        if not points:
            return ""
        return f"{self.line()} L{points[-1].x} {self._y(0)} L{points[0].x} {self._y(0)} Z"

    def rows(self) -> list[tuple[str, list[str]]]:
        """The same figures for the table."""
        return [
            (label, [self.show(series.values[at]) for series in self.series])
            for at, label in enumerate(self.labels)
        ]

    def _stack(self, at: int) -> list[Bar]:
        width = round(min(self._step() * 0.62, MAX_BAR), 1)
        heights = [0]
        for series in self.series:
            heights.append(heights[-1] + series.values[at])
        return [
            Bar(
                x=round(self._middle(at) - width / 2, 1),
                y=self._y(high),
                width=width,
                height=round(self._y(low) - self._y(high), 1),
                tone=series.tone,
                title=self._bar_title(at, series),
            )
            for series, (low, high) in zip(self.series, pairwise(heights), strict=True)
            if high > low
        ]

    def _bar_title(self, at: int, series: Series) -> str:
        name = f"{self.labels[at]}, {series.name}" if len(self.series) > 1 else self.labels[at]
        return f"{name}: {self.show(series.values[at])}"

    def _step(self) -> float:
        return PLOT_WIDTH / max(len(self.labels), 1)

    def _middle(self, at: int) -> float:
        return round(LEFT + self._step() * (at + 0.5), 1)

    def _y(self, value: int) -> float:
        return round(TOP + PLOT_HEIGHT * (1 - value / self.top), 1)


def round_up(value: int) -> int:
    """The next value that four grid lines divide into round numbers; at least 4."""
    size = 1
    while True:
        for lead in (4, 8, 12, 20, 32):
            if lead * size >= value:
                return lead * size
        size *= 10
