"""Keyset paging for lists in falling order of id: as quick on the last page as on the first. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")
PAGE_SIZE = 25
LARGEST_ID = 2**63 - 1
CURSOR = re.compile(r"([on])([0-9a-f]{1,16})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list: rows below `id`, or, for `newer`, the ones above it."""

    id: int = LARGEST_ID
    newer: bool = False

    @property
    def is_start(self) -> bool:
        """Whether nothing can lie above."""
        return self.id == LARGEST_ID

    @property
    def condition(self) -> str:
        """The comparison of the id with the cursor's, for SQL."""
        return ">" if self.newer else "<"

    @property
    def order(self) -> str:
        """The order to read in, for SQL."""
        return "ASC" if self.newer else "DESC"


START = Cursor()


@dataclass(frozen=True, slots=True)
class Slice(Generic[Row]):
    """One page of rows, newest first, and the cursors of its neighbours (empty: there is none)."""

    rows: tuple[Row, ...]
    newer: str
    older: str


def read_cursor(text: str | None) -> Cursor:
    """The cursor of an address; anything else than one of ours is the start."""
    found = CURSOR.fullmatch(text or "")
    if found is None or int(found[2], 16) > LARGEST_ID:
        return START
    return Cursor(int(found[2], 16), newer=found[1] == "n")


def cut(read: Sequence[Row], cursor: Cursor, size: int, *, id_of: Callable[[Row], int]) -> Slice[Row]:
    """Make a page of up to `size + 1` rows that were read in the cursor's order.

    The extra row only tells that there are more.
    """
    more = len(read) > size
    rows = tuple(read[:size])
    if cursor.newer:
        rows = rows[::-1]
    if not rows:
        return Slice((), "", "")
    above = more if cursor.newer else not cursor.is_start
    below = True if cursor.newer else more
    return Slice(
        rows,
        newer=f"n{id_of(rows[0]):x}" if above else "",
        older=f"o{id_of(rows[-1]):x}" if below else "",
    )


def is_first_page_again(read: Sequence[Row], cursor: Cursor, size: int) -> bool:
    """Whether walking up reached the top: the first page itself, full, is the better answer."""
    return cursor.newer and len(read) <= size


def prefix_pattern(text: str) -> str:
    """The text in lower case as the pattern of a LIKE that finds what starts with it."""
    escaped = re.sub(r"([\\%_])", r"\\\1", text.lower())
    return f"{escaped}%"
