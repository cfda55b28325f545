"""Which invoices a page of the list holds: ids in order, quick for every order and filter.

A page is looked for in two ways, and neither leaves it to the planner to guess which one is quick:

- *walk*: along the key of the order, from the cursor on, over `WALKED` invoices at most. It finds a page of
  whatever is not rare.
- *gather*: what is rare, all of it by the keys of the filters, put in order afterwards.

A key of an order begins with mode and status, so that a tab is a few short walks that are merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import msgspec

from portal.contract.facts import Mode
from portal.database.transaction import Connection
from portal.invoices.conditions import Conditions, of_statuses, tab_parts
from portal.invoices.filters import Column, InvoiceFilter, Tab
from portal.invoices.rules import InvoiceStatus
from portal.invoices.searches import Arguments, Search, look_up
from portal.web.keysets import Cursor

WALKED = 10_000

_Text = Annotated[str, msgspec.Meta(max_length=400, pattern=r"\A[^\0]*\Z")]
_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Moment = Annotated[int, msgspec.Meta(ge=0, le=10**17)]


@dataclass(frozen=True, slots=True)
class Sorting:
    """How a column is ordered in SQL, by `keys` of an invoice `i`."""

    keys: tuple[str, ...]
    bounds: tuple[str, ...]
    """The keys of a cursor, from its parameters `{0}` and `{1}`."""
    key_type: Any
    """For `read_cursor`."""
    nullable: bool = False
    """Rows without the key come last, whichever the direction."""


SORTINGS = {
    Column.CREATED: Sorting(("i.created_at",), ("{0}::timestamptz",), tuple[_Moment]),
    Column.DUE: Sorting(("i.due_date",), ("{0}::date",), tuple[date | None], nullable=True),
    Column.AMOUNT: Sorting(
        ("i.currency", "i.total_minor"), ("{0}::text", "{1}::bigint"), tuple[_Text, _Number]
    ),
    # Digits at the end count as a number.
    Column.NUMBER: Sorting(
        ("rtrim(i.number, '0123456789') COLLATE \"C\"", "length(i.number)", 'i.number COLLATE "C"'),
        ("rtrim({0}::text, '0123456789')", "length({0}::text)", "{0}::text"),
        tuple[_Text | None],
        nullable=True,
    ),
}
_OF_ONE_CURRENCY = Sorting(("i.total_minor",), ("{0}::bigint",), SORTINGS[Column.AMOUNT].key_type)


async def read_ids(held: Connection, wanted: InvoiceFilter, cursor: Cursor, size: int) -> list[int]:
    """Up to `size` invoices behind the cursor, or before it for `newer`, in the order they are read in."""
    if not wanted.statuses:
        return []
    search = await look_up(held, wanted.search) if wanted.searches else None
    reading = _Reading(wanted, cursor, size, search)
    if search is not None and search.few:
        return await reading.gather(held)
    return await reading.walk(held)


async def explained(held: Connection, wanted: InvoiceFilter, size: int) -> list[str]:
    """How PostgreSQL answers for the first page, walked and gathered: for measurements."""
    search = await look_up(held, wanted.search) if wanted.searches else None
    return await _Reading(wanted, Cursor(), size, search).explain(held)


def counting(tabs: Iterable[Tab], today: date, mode: Mode | None, most: int) -> tuple[str, list[Any]]:
    """The statement that counts each tab's invoices up to `most`, by the tab's value, and its arguments."""
    arguments, counts = Arguments(), []
    for tab in tabs:
        of_tab = of_statuses(InvoiceFilter(today, tab, mode=mode))
        # Part by part, each a range of a key: a condition of them all would be held against every open one.
        parts = [
            f"SELECT FROM invoice i WHERE {' AND '.join([*of_tab, *part])}"
            for part in tab_parts(tab, lambda: arguments.add(today, "date"))
        ]
        counts.append(
            f"(SELECT count(*) FROM ({' UNION ALL '.join(parts)} LIMIT {most}) t) "  # noqa: S608 - as above
            f'AS "{tab.value}"'
        )
    return f"SELECT {', '.join(counts)}", arguments.values


@dataclass(frozen=True, slots=True)
class _Reading:
    wanted: InvoiceFilter
    cursor: Cursor
    size: int
    search: Search | None

    @property
    def sorting(self) -> Sorting:
        # With one currency alone its key has the order of the amounts, which a second word would hide.
        one = self.wanted.order.column is Column.AMOUNT and self.wanted.currency
        return _OF_ONE_CURRENCY if one else SORTINGS[self.wanted.order.column]

    @property
    def direction(self) -> str:
        return "DESC" if self.wanted.order.falling is not self.cursor.newer else "ASC"

    @property
    def sign(self) -> str:
        return "<" if self.direction == "DESC" else ">"

    @property
    def ordered(self) -> str:
        """By the aliases of a walk or a gathering."""
        return ", ".join(
            [*(f"k{at} {self.direction}" for at in range(len(self.sorting.keys))), f"id {self.direction}"]
        )

    async def walk(self, held: Connection) -> list[int]:
        """Along the key; when it leads too far, by gathering."""
        found: list[int] = []
        for empty in self._segments():
            statement, values, filtered = self._walk(empty=empty)
            found += [row["id"] for row in await held.fetch(statement, *values)]
            if len(found) >= self.size:
                break
            if filtered:
                return await self.gather(held)
        return found[: self.size]

    async def gather(self, held: Connection) -> list[int]:
        """Everything that the filters leave, by their own keys, then the page of it."""
        statement, values = self._gather()
        async with held.transaction(readonly=True):
            # By the values of these very filters; a plan for any would be one for none.
            await held.execute(_PLANNING)
            rows = await held.fetch(statement, *values)
        return [row["id"] for row in rows]

    async def explain(self, held: Connection) -> list[str]:
        """The plans of both ways."""
        walks = [self._walk(empty=empty)[:2] for empty in self._segments()]
        async with held.transaction(readonly=True):
            await held.execute(_PLANNING)
            return [
                row[0]
                for statement, values in (*walks, self._gather())
                for row in await held.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", *values)
            ]

    def _segments(self) -> list[bool]:
        """Whether the key is empty, part by part, from the cursor's on."""
        bounded = self.wanted.order.column is Column.DUE and (self.wanted.due_from or self.wanted.due_to)
        if not self.sorting.nullable or bounded:
            return [False]
        parts = [False, True]
        if self.cursor.newer:
            parts.reverse()
        return parts[parts.index(self._at_empty) :] if self.cursor.key else parts

    @property
    def _at_empty(self) -> bool:
        return bool(self.cursor.key) and self.cursor.key[0] is None

    def _walk(self, *, empty: bool) -> tuple[str, list[Any], bool]:
        arguments = Arguments()
        kept = Conditions(self.wanted, arguments, self.search)
        along, rest = kept.along(self.wanted.order.column), kept.beside(self.wanted.order.column)
        if self.sorting.nullable:
            along.append(f"{self.sorting.keys[0]} IS {'' if empty else 'NOT '}NULL")
        if self.cursor.key and self._at_empty == empty:
            along.append(self._behind(arguments))
        steps = WALKED if rest else self.size
        pieces = [
            self._piece([piece, *along, *kept.of_tab(status, self.wanted.order.column, empty=empty)], steps)
            for piece, status in self._pieces()
        ]
        walked = f"SELECT * FROM ({' UNION ALL '.join(pieces)}) p ORDER BY {self.ordered} LIMIT {steps}"  # noqa: S608 - words of ours
        held_against = f"WHERE {' AND '.join(rest)}" if rest else ""
        # Words of ours alone; every value is bound.
        statement = f"SELECT id FROM ({walked}) i {held_against} ORDER BY {self.ordered} LIMIT {self.size}"  # noqa: S608 - words of ours
        return statement, arguments.values, bool(rest)

    def _piece(self, conditions: list[str], steps: int) -> str:
        return (
            f"(SELECT {self._needed}, {self._keys} FROM invoice i WHERE {' AND '.join(conditions)} "  # noqa: S608 - words of ours
            f"ORDER BY {self._sorted}, i.id {self.direction} LIMIT {steps})"
        )

    def _gather(self) -> tuple[str, list[Any]]:
        arguments = Arguments()
        conditions = [*of_statuses(self.wanted), *Conditions(self.wanted, arguments, self.search).all()]
        if self.cursor.key:
            conditions.append(self._behind_or_empty(arguments))
        empties = "LAST" if not self.cursor.newer else "FIRST"
        ordered = ", ".join(
            [*(f"k{at} {self.direction} NULLS {empties}" for at in range(len(self.sorting.keys)))]
        )
        gathered = f"SELECT i.id, {self._keys} FROM invoice i WHERE {' AND '.join(conditions)}"  # noqa: S608 - words of ours
        # OFFSET 0: found by the keys of the filters, never by that of the order, and not stored on the way.
        return (
            f"SELECT id FROM ({gathered} OFFSET 0) found "  # noqa: S608 - words of ours
            f"ORDER BY {ordered}, id {self.direction} LIMIT {self.size}"
        ), arguments.values

    def _pieces(self) -> list[tuple[str, InvoiceStatus]]:
        modes = [self.wanted.mode] if self.wanted.mode else list(Mode)
        return [
            (f"i.mode = '{mode.value}' AND i.status = '{status.value}'", status)
            for mode in modes
            for status in self.wanted.statuses
        ]

    def _behind(self, arguments: Arguments) -> str:
        if self._at_empty:
            return f"i.id {self.sign} {arguments.add(self.cursor.id, 'bigint')}"
        bound = [arguments.bare(value) for value in self._cursor_key()]
        ends = [end.format(*bound) for end in self.sorting.bounds]
        own = arguments.add(self.cursor.id, "bigint")
        return f"({', '.join([*self.sorting.keys, 'i.id'])}) {self.sign} ({', '.join([*ends, own])})"

    def _behind_or_empty(self, arguments: Arguments) -> str:
        key = self.sorting.keys[0]
        if not self.sorting.nullable:
            return self._behind(arguments)
        if self._at_empty:
            among = f"{key} IS NULL AND {self._behind(arguments)}"
            return f"({among} OR {key} IS NOT NULL)" if self.cursor.newer else f"({among})"
        behind = self._behind(arguments)
        return behind if self.cursor.newer else f"({behind} OR {key} IS NULL)"

    def _cursor_key(self) -> Sequence[Any]:
        if self.wanted.order.column is Column.CREATED:
            return [_EPOCH + timedelta(microseconds=self.cursor.key[0])]
        return self.cursor.key[1:] if self.sorting is _OF_ONE_CURRENCY else self.cursor.key

    @property
    def _needed(self) -> str:
        return f"{_INCLUDED}, i.number" if self.search and self.search.invoices is None else _INCLUDED

    @property
    def _keys(self) -> str:
        return ", ".join(f"{key} AS k{at}" for at, key in enumerate(self.sorting.keys))

    @property
    def _sorted(self) -> str:
        return ", ".join(f"{key} {self.direction}" for key in self.sorting.keys)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLANNING = (
    "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = off; SET LOCAL jit = off"
)
_INCLUDED = "i.id, i.status, i.customer, i.currency, i.total_minor, i.due_date, i.created_at, i.sync_state"
"""What each key of an order holds."""
