"""Geometry of the charts that pages draw as SVG: bars, lines, round grid lines. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    """One row of figures: a whole number a label.

    Below zero nothing is drawn, unless the chart is `signed`; the table tells it.
    """

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
    is_axis: bool = False
    """The line of zero."""


@dataclass(frozen=True, slots=True)
class Point:
    """A corner of the line."""

    x: float
    y: float
    title: str


Drawn = Literal["bar", "line"]


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw. `summary` is the one sentence that says what the picture shows.

    Several series are stacked as bars, `beside`: stand next to each other; `signed`: what is below zero hangs
    from the axis. A line draws the first series only.
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
    beside: bool = False
    signed: bool = False
    drawn: Drawn = "bar"
    named: int = NAMED_LABELS
    """How many labels fit below the axis."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but zeros."""
        return not any(any(series.values) for series in self.series)

    @property
    def top(self) -> int:
        """The round value of the highest grid line."""
        if not self.signed:
            return round_up(self._highest)
        return -(-self._highest // self._between) * self._between

    @property
    def bottom(self) -> int:
        """The round value of the lowest grid line: zero, unless something hangs from it."""
        return self._lowest // self._between * self._between if self.signed else 0

    def grid(self) -> list[Tick]:
        """Horizontal lines upwards, from zero or from below it."""
        show = self.show_short or self.show
        steps = GRID_LINES if not self.signed else (self.top - self.bottom) // self._between
        span = self.top - self.bottom
        values = sorted({self.bottom + span * step // steps for step in range(steps + 1)})
        return [Tick(self._y(value), show(value), is_axis=value == 0) for value in values]

    def columns(self) -> list[Tick]:
        """Labels below the axis; some are left out when there are many."""
        every = -(-len(self.labels) // self.named) if self.labels else 1
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

    @property
    def _columns(self) -> list[tuple[int, ...]]:
        return list(zip(*(series.values for series in self.series), strict=True))

    @property
    def _highest(self) -> int:
        together = max if self.beside else sum
        return max((together(max(value, 0) for value in column) for column in self._columns), default=0)

    @property
    def _lowest(self) -> int:
        together = min if self.beside else sum
        return min((together(min(value, 0) for value in column) for column in self._columns), default=0)

    @property
    def _between(self) -> int:
        return round_up(self._highest - self._lowest) // GRID_LINES

    def _stack(self, at: int) -> list[Bar]:
        spans = enumerate(self._spans(at))
        return [self._bar(at, place, low, high) for place, (low, high) in spans if high > low]

    def _spans(self, at: int) -> list[tuple[int, int]]:
        """From where to where each series reaches: away from zero, on what was drawn before."""
        above = below = 0
        spans = []
        for series in self.series:
            value = series.values[at] if self.signed else max(series.values[at], 0)
            start = 0 if self.beside else (above if value > 0 else below)
            spans.append((min(start, start + value), max(start, start + value)))
            above, below = above + max(value, 0), below + min(value, 0)
        return spans

    def _bar(self, at: int, place: int, low: int, high: int) -> Bar:
        beside = len(self.series) if self.beside else 1
        whole = min(self._step() * (0.62 if beside == 1 else 0.8), MAX_BAR)
        width = round(whole / beside, 1)
        return Bar(
            x=round(self._middle(at) - whole / 2 + width * (place if self.beside else 0), 1),
            y=self._y(high),
            width=width,
            height=round(self._y(low) - self._y(high), 1),
            tone=self.series[place].tone,
            title=self._bar_title(at, self.series[place]),
        )

    def _bar_title(self, at: int, series: Series) -> str:
        name = f"{self.labels[at]}, {series.name}" if len(self.series) > 1 else self.labels[at]
        return f"{name}: {self.show(series.values[at])}"

    def _step(self) -> float:
        return PLOT_WIDTH / max(len(self.labels), 1)

    def _middle(self, at: int) -> float:
        return round(LEFT + self._step() * (at + 0.5), 1)

    def _y(self, value: int) -> float:
        return round(TOP + PLOT_HEIGHT * (self.top - value) / (self.top - self.bottom), 1)


def round_up(value: int) -> int:
    """The next value that four grid lines divide into round numbers; at least 4."""
    size = 1
    while True:
        for lead in (4, 8, 12, 20, 32):
            if lead * size >= value:
                return lead * size
        size *= 10
