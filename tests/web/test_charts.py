"""Charts: round grid lines, nothing outside the frame, zeros drawn as an axis."""

from __future__ import annotations

import pytest

from portal.web.charts import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, Chart, Series, round_up


def chart(*series: Series, labels: tuple[str, ...] = ("Sep", "Oct", "Nov")) -> Chart:
    return Chart(id="c", title="Title", summary="Summary.", labels=labels, series=series)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 4), (4, 4), (5, 8), (9, 12), (13, 20), (33, 40), (4_820_000, 8_000_000)]
)
def test_top_is_round_and_not_below_the_value(value: int, top: int) -> None:
    assert round_up(value) == top
    assert top % 4 == 0


def test_bars_stay_inside_and_stand_on_the_axis() -> None:
    bars = chart(Series("A", (10, 0, 30)), Series("B", (5, 7, 2), "bad")).bars()
    axis = HEIGHT - BOTTOM
    assert len(bars) == 5
    assert all(bar.x >= LEFT and bar.x + bar.width <= WIDTH and bar.y >= TOP for bar in bars)
    assert bars[0].y + bars[0].height == pytest.approx(axis)
    assert bars[1].y + bars[1].height == pytest.approx(bars[0].y, abs=0.11)
    assert bars[1].title == "Sep, B: 5"


def test_one_series_needs_no_name_in_its_titles() -> None:
    assert chart(Series("A", (1, 2, 3))).bars()[0].title == "Sep: 1"


def test_zeros_are_empty() -> None:
    empty = chart(Series("A", (0, 0, 0)))
    assert empty.is_empty
    assert empty.bars() == []


def test_grid_runs_from_zero_to_the_top() -> None:
    grid = chart(Series("A", (10, 11, 12))).grid()
    assert [tick.text for tick in grid] == ["0", "3", "6", "9", "12"]
    assert grid[0].at == HEIGHT - BOTTOM
    assert grid[-1].at == TOP


def test_line_has_a_point_for_each_label() -> None:
    drawn = chart(Series("A", (1, 2, 3)))
    assert drawn.line().count("L") == 2
    assert drawn.area().endswith("Z")
    assert len(drawn.points()) == 3


def test_many_labels_are_thinned_out() -> None:
    labels = tuple(f"{day}" for day in range(90))
    assert len(chart(Series("A", (1,) * 90), labels=labels).columns()) <= 12


def test_no_labels_draw_nothing() -> None:
    nothing = chart(Series("A", ()), labels=())
    assert (nothing.bars(), nothing.area(), nothing.is_empty) == ([], "", True)


def test_table_holds_the_same_figures() -> None:
    assert chart(Series("A", (1, 2, 3)), Series("B", (4, 5, 6))).rows()[2] == ("Nov", ["3", "6"])
