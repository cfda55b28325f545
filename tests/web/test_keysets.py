"""Walking up and down a list meets every row once, and cursors of strangers lead nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.web.keysets import START, Cursor, Slice, cut, is_first_page_again, prefix_pattern, read_cursor

SIZE = 3


def read_page(ids: list[int], cursor: Cursor) -> Slice[int]:
    """What a query with the cursor's condition and order would make of the ids."""
    if cursor.newer:
        read = sorted(i for i in ids if i > cursor.id)[: SIZE + 1]
        if is_first_page_again(read, cursor, SIZE):
            return read_page(ids, START)
    else:
        read = sorted((i for i in ids if i < cursor.id), reverse=True)[: SIZE + 1]
    return cut(read, cursor, SIZE, id_of=lambda i: i)


@given(st.sets(st.integers(1, 10_000), max_size=20))
def test_walking_down_meets_every_row_once(numbers: set[int]) -> None:
    ids, cursor = list(numbers), START
    met: list[int] = []
    while True:
        page = read_page(ids, cursor)
        met += page.rows
        if not page.older:
            break
        cursor = read_cursor(page.older)
    assert met == sorted(ids, reverse=True)


@given(st.sets(st.integers(1, 10_000), min_size=SIZE * 2, max_size=20))
def test_newer_leads_back_to_a_full_first_page(numbers: set[int]) -> None:
    ids = list(numbers)
    second = read_page(ids, read_cursor(read_page(ids, START).older))
    assert read_page(ids, read_cursor(second.newer)) == read_page(ids, START)


@pytest.mark.parametrize("text", [None, "", "x1", "o", "o1'", "offffffffffffffff", "n-1", "O1", "o1 "])
def test_anything_else_is_the_start(text: str | None) -> None:
    assert read_cursor(text) == START


def test_pattern_takes_every_character_as_itself() -> None:
    assert prefix_pattern(r"A%_\b") == r"a\%\_\\b%"
