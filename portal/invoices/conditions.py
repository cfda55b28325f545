"""The filters of the list of invoices in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from portal.invoices.filters import Column, InvoiceFilter, SyncState, Tab
from portal.invoices.rules import UNCOLLECTED, InvoiceStatus
from portal.invoices.searches import Arguments, Search


@dataclass(frozen=True, slots=True)
class Conditions:
    """The filters in SQL. What bounds the key that is walked is *along* it, all else *beside* it."""

    wanted: InvoiceFilter
    arguments: Arguments
    search: Search | None

    def along(self, column: Column) -> list[str]:
        """Bounds of the key."""
        return self._bounds(column)

    def beside(self, column: Column) -> list[str]:
        """Everything else."""
        bounds = [bound for other in Column if other is not column for bound in self._bounds(other)]
        dated = [] if column is Column.DUE else self.dated()
        sync = [_SYNCED[self.wanted.sync]] if self.wanted.sync else []
        search = [self.search.by_row(self.arguments)] if self.search else []
        return [*dated, *bounds, *self._customer(), *sync, *search]

    def all(self) -> list[str]:
        """Together, for gathering, so that the keys of rare ones can be used."""
        bounds = [bound for column in Column for bound in self._bounds(column)]
        sync = [_SYNCED_BY_KEYS[self.wanted.sync]] if self.wanted.sync else []
        return [*self.dated(), *bounds, *self._customer(), *sync, *self._search_by_keys()]

    def of_tab(self, status: InvoiceStatus, column: Column, *, empty: bool) -> list[str]:
        """What the tab asks of the due date, as a bound of its key."""
        if column is not Column.DUE or status is InvoiceStatus.PROCESSING:
            return []
        if self.wanted.tab is Tab.PAST_DUE:
            return [f"({UNCOLLECTED})"] if empty else [f"i.due_date < {self._today()}"]
        if self.wanted.tab is Tab.OPEN:
            return [f"NOT ({UNCOLLECTED})"] if empty else [f"i.due_date >= {self._today()}"]
        return []

    def _today(self) -> str:
        return self.arguments.add(self.wanted.today, "date")

    def dated(self) -> list[str]:
        """What the tab asks of the due date."""
        if self.wanted.tab not in (Tab.OPEN, Tab.PAST_DUE):
            return []
        late = f"(coalesce(i.due_date < {self._today()}, false) OR {_UNCOLLECTED})"
        return [late if self.wanted.tab is Tab.PAST_DUE else f"(i.status = 'processing' OR NOT {late})"]

    def _bounds(self, column: Column) -> list[str]:
        wanted, add = self.wanted, self.arguments.add
        if column is Column.CREATED:
            zone, after = wanted.zone, _next(wanted.created_to)
            made = [_midnight(wanted.created_from, zone), _midnight(after, zone)]
            return _between("i.created_at", made, "timestamptz", add, until="<")
        if column is Column.DUE:
            return _between("i.due_date", [wanted.due_from, wanted.due_to], "date", add, until="<=")
        if column is Column.AMOUNT and wanted.currency:
            amounts = [money.amount_minor if money else None for money in (wanted.least, wanted.most)]
            own = f"i.currency = {add(wanted.currency, 'text')}"
            return [own, *_between("i.total_minor", amounts, "bigint", add, until="<=")]
        return []

    def _customer(self) -> list[str]:
        return (
            [f"i.customer = {self.arguments.add(self.wanted.customer, 'bigint')}"]
            if self.wanted.customer
            else []
        )

    def _search_by_keys(self) -> list[str]:
        if self.search is None:
            return []
        # Thousands of customers are no way in where another filter is one.
        by_row = self.search.customers is None and self.wanted.filters
        return [(self.search.by_row if by_row else self.search.by_keys)(self.arguments)]


def of_statuses(wanted: InvoiceFilter) -> list[str]:
    """Mode and status in SQL."""
    statuses = ", ".join(f"'{status.value}'" for status in wanted.statuses)
    mode = [f"i.mode = '{wanted.mode.value}'"] if wanted.mode else []
    every = len(wanted.statuses) == len(InvoiceStatus)
    return [*mode, *([] if every else [f"i.status IN ({statuses})"])] or ["true"]


def tab_parts(tab: Tab, today: Callable[[], str]) -> list[list[str]]:
    """What a tab asks of the due date, in parts that do not overlap and are a range of a key each."""
    owed = "i.status IN ('open', 'partly_paid')"
    if tab is Tab.OPEN:
        return [
            ["i.status = 'processing'"],
            [owed, f"i.due_date >= {today()}"],
            [owed, "i.due_date IS NULL", f"NOT ({_UNCOLLECTED})"],
        ]
    if tab is Tab.PAST_DUE:
        return [[f"i.due_date < {today()}"], [UNCOLLECTED]]
    return [[]]


def _between(
    key: str, ends: Sequence[Any], cast: str, add: Callable[[Any, str], str], *, until: str
) -> list[str]:
    low, high = ends
    return [
        *([f"{key} >= {add(low, cast)}"] if low is not None else []),
        *([f"{key} {until} {add(high, cast)}"] if high is not None else []),
    ]


def _next(day: date | None) -> date | None:
    return day + timedelta(days=1) if day and day < date.max else None


def _midnight(day: date | None, zone: str) -> datetime | None:
    return datetime.combine(day, time.min, ZoneInfo(zone)) if day else None


_UNCOLLECTED = f"""
i.id IN (SELECT i.id FROM invoice i WHERE i.status IN ('open', 'partly_paid') AND {UNCOLLECTED})
"""  # noqa: S608 - words of ours
"""By their own small key: the columns are in no other one."""
_CONFLICTS = """
SELECT subject_id FROM sync_difference WHERE subject_kind = 'invoice' AND state = 'open' AND kind = 'conflict'
                                             AND subject_id IS NOT NULL
"""
_IN_CONFLICT = f"(i.id IN ({_CONFLICTS})) IS TRUE"
"""Looked up in a table of them that is made once; without IS TRUE it would be planned as a join."""
_SYNCED = {
    SyncState.CONFLICT: _IN_CONFLICT,
    **{
        state: f"i.sync_state = '{state.value}' AND NOT ({_IN_CONFLICT})"
        for state in (SyncState.IN_STEP, SyncState.WAITING, SyncState.FAILED)
    },
}
_SYNCED_BY_KEYS = {
    # Whatever has a state has a connection, whose key it is.
    state: f"i.account = ANY(ARRAY(SELECT id FROM connected_account)) AND {condition}"  # noqa: S608 - words of ours
    for state, condition in _SYNCED.items()
} | {SyncState.CONFLICT: f"i.id = ANY(ARRAY({_CONFLICTS}))"}
