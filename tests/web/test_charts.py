"""Charts: round grid lines, nothing outside the frame, zeros drawn as an axis."""

from __future__ import annotations

from dataclasses import replace

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


def test_fewer_labels_may_be_named() -> None:
    drawn = replace(chart(Series("A", (1,) * 12), labels=tuple("abcdefghijkl")), named=6)
    assert [tick.text for tick in drawn.columns()] == ["a", "c", "e", "g", "i", "k"]


def test_what_is_below_zero_hangs_from_the_axis_of_a_signed_chart() -> None:
    series = Series("A", (10, 0, 30)), Series("B", (5, 0, -2), "ok"), Series("C", (-7, -8, -3), "bad")
    signed = replace(chart(*series), signed=True)
    axis = next(tick.at for tick in signed.grid() if tick.is_axis)
    bars = {bar.title: bar for bar in signed.bars()}
    assert [(tick.text, tick.is_axis) for tick in signed.grid()] == [
        ("-10", False),
        ("0", True),
        ("10", False),
        ("20", False),
        ("30", False),
    ]
    assert bars["Sep, A: 10"].y + bars["Sep, A: 10"].height == pytest.approx(axis, abs=0.11)
    assert bars["Sep, C: -7"].y == bars["Nov, B: -2"].y == axis
    assert bars["Nov, C: -3"].y == pytest.approx(axis + bars["Nov, B: -2"].height, abs=0.11)
    assert all(bar.y >= TOP and bar.y + bar.height <= HEIGHT - BOTTOM for bar in bars.values())


def test_axis_is_at_the_top_when_everything_is_below_zero() -> None:
    signed = replace(chart(Series("A", (-4, 0, -1))), signed=True)
    assert (signed.top, signed.bottom) == (0, -4)
    assert [bar.y for bar in signed.bars()] == [TOP, TOP]


def test_nothing_below_zero_makes_a_signed_chart_like_another() -> None:
    usual = chart(Series("A", (4, 0, 1)))
    assert replace(usual, signed=True).bars() == usual.bars()
    assert replace(usual, signed=True).grid() == usual.grid()


def test_bars_beside_each_other_do_not_overlap_and_all_stand_on_the_axis() -> None:
    drawn = replace(chart(Series("A", (10, 0, 30)), Series("B", (5, 7, 2), "ok")), beside=True)
    bars = drawn.bars()
    assert drawn.top == 32
    assert all(bar.y + bar.height == pytest.approx(HEIGHT - BOTTOM, abs=0.11) for bar in bars)
    assert bars[1].x == pytest.approx(bars[0].x + bars[0].width, abs=0.11)
    assert all(bar.x >= LEFT and bar.x + bar.width <= WIDTH for bar in bars)


def test_no_labels_draw_nothing() -> None:
    nothing = chart(Series("A", ()), labels=())
    assert (nothing.bars(), nothing.area(), nothing.is_empty) == ([], "", True)


def test_table_holds_the_same_figures() -> None:
    assert chart(Series("A", (1, 2, 3)), Series("B", (4, 5, 6))).rows()[2] == ("Nov", ["3", "6"])
