"""Keyset paging: as quick on the last page as on the first, and no row twice or never. Pure.

A list is ordered by a key and, among equal keys, by the id; most have the newest first and
need the id alone.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

Row = TypeVar("Row")
Key = tuple[Any, ...]
PAGE_SIZE = 25
LARGEST_ID = 2**63 - 1
CURSOR = re.compile(r"([on])([0-9a-f]{1,16})(?:\.([A-Za-z0-9_-]{1,2000}))?")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list: the rows behind `key` and `id` or, for `newer`, the ones before them."""

    id: int = LARGEST_ID
    newer: bool = False
    key: Key = ()
    """What the row is ordered by before its id; empty in a list that is ordered by the id alone."""

    @property
    def is_start(self) -> bool:
        """Whether nothing can lie before it."""
        return self.id == LARGEST_ID and not self.key

    @property
    def condition(self) -> str:
        """The comparison of the id with the cursor's, for SQL; of lists with the newest first."""
        return ">" if self.newer else "<"

    @property
    def order(self) -> str:
        """The order to read in, for SQL; of lists with the newest first."""
        return "ASC" if self.newer else "DESC"


START = Cursor()


@dataclass(frozen=True, slots=True)
class Slice(Generic[Row]):
    """One page of rows, in the list's order, and the cursors of its neighbours (empty: there is none)."""

    rows: tuple[Row, ...]
    newer: str
    """Of the page before this one."""
    older: str
    """Of the page behind this one."""


def read_cursor(text: str | None, key: Any = None) -> Cursor:
    """The cursor of an address; anything else than one of ours is the start.

    Args:
        text: from the address, so anything.
        key: type of the list's key, a tuple such as `tuple[date | None]`; None where the id is the order.
    """
    found = CURSOR.fullmatch(text or "")
    if found is None or int(found[2], 16) > LARGEST_ID or (found[3] is None) != (key is None):
        return START
    try:
        values = msgspec.json.decode(_unpacked(found[3]), type=key) if key is not None else ()
    except ValueError:  # what msgspec refuses, too
        return START
    return Cursor(int(found[2], 16), newer=found[1] == "n", key=values)


def cut(
    read: Sequence[Row],
    cursor: Cursor,
    size: int,
    *,
    id_of: Callable[[Row], int],
    key_of: Callable[[Row], Key] = lambda _: (),
) -> Slice[Row]:
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
        newer=_written("n", id_of(rows[0]), key_of(rows[0])) if above else "",
        older=_written("o", id_of(rows[-1]), key_of(rows[-1])) if below else "",
    )


def is_first_page_again(read: Sequence[Row], cursor: Cursor, size: int) -> bool:
    """Whether walking up reached the top: the first page itself, full, is the better answer."""
    return cursor.newer and len(read) <= size


def prefix_pattern(text: str) -> str:
    """The text in lower case as the pattern of a LIKE that finds what starts with it."""
    escaped = re.sub(r"([\\%_])", r"\\\1", text.lower())
    return f"{escaped}%"


def prefix_range(text: str) -> tuple[str, str]:
    """The same for `lower(…) ~>=~ first AND lower(…) ~<~ second`: a key is used whatever the plan knows."""
    return text.lower(), f"{text.lower()}\U0010ffff"


def _written(way: str, id_: int, key: Key) -> str:
    packed = base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=") if key else ""
    return f"{way}{id_:x}.{packed}" if packed else f"{way}{id_:x}"


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
