"""What the list of invoices shows and in which order, as it stands in an address. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import MAXYEAR, MINYEAR, date
from enum import StrEnum
from urllib.parse import urlencode

from portal.contract.facts import Mode
from portal.invoices.rules import InvoiceStatus
from portal.money import Money, MoneyError, is_currency, parse_money

LONGEST = 100
SHORTEST_SEARCH = 2
FIRST_AND_LAST_YEAR = (MINYEAR, MAXYEAR)
PATH = "/invoices"


class Tab(StrEnum):
    """The tabs above the list. Their values stand in addresses."""

    ALL = "all"
    DRAFT = "draft"
    OPEN = "open"
    PAST_DUE = "past-due"
    PAID = "paid"
    VOID = "void"

    @property
    def label(self) -> str:
        """The word on the tab."""
        return self.value.replace("-", " ").capitalize()

    @property
    def statuses(self) -> tuple[InvoiceStatus, ...]:
        """The stored statuses that it may show."""
        return _STATUSES.get(self, (InvoiceStatus(self.value),) if self in _ONE_STATUS else ())


_ONE_STATUS = frozenset({Tab.DRAFT, Tab.PAID, Tab.VOID})
_STATUSES: Mapping[Tab, tuple[InvoiceStatus, ...]] = {
    Tab.ALL: tuple(InvoiceStatus),
    Tab.OPEN: (InvoiceStatus.OPEN, InvoiceStatus.PARTLY_PAID, InvoiceStatus.PROCESSING),
    Tab.PAST_DUE: (InvoiceStatus.OPEN, InvoiceStatus.PARTLY_PAID),
}


class SyncState(StrEnum):
    """Whether the provider has what the portal has, as the list shows it."""

    IN_STEP = "in_step"
    WAITING = "waiting"
    FAILED = "failed"
    CONFLICT = "conflict"

    @property
    def label(self) -> str:
        """The words of the pill."""
        return "Waiting to send" if self is SyncState.WAITING else self.value.replace("_", " ").capitalize()


class Column(StrEnum):
    """What the list can be ordered by."""

    NUMBER = "number"
    AMOUNT = "amount"
    DUE = "due"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class Order:
    """A column and a direction; in an address `due` or, falling, `-due`."""

    column: Column = Column.CREATED
    falling: bool = True

    def __str__(self) -> str:
        return f"{'-' if self.falling else ''}{self.column.value}"

    @property
    def aria(self) -> str:
        """The value of `aria-sort`."""
        return "descending" if self.falling else "ascending"

    @property
    def words(self) -> str:
        """The order for people who hear the table."""
        if self.column is Column.CREATED:
            return "newest first" if self.falling else "oldest first"
        return f"by {_ORDERED_BY[self.column]}, {'falling' if self.falling else 'rising'}"

    def pressed(self, column: Column) -> Order:
        """The order that a press on a column's head leads to: its own first, then the other way round."""
        if column is self.column:
            return Order(column, not self.falling)
        return Order(column, column in (Column.CREATED, Column.AMOUNT))


_ORDERED_BY = {
    Column.NUMBER: "number",
    Column.AMOUNT: "currency and amount",
    Column.DUE: "due date",
}
NEWEST = Order()


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """What the list shows. Empty fields allow all; a search under two characters is none."""

    today: date
    tab: Tab = Tab.ALL
    search: str = ""
    mode: Mode | None = None
    """None: of both modes."""
    status: InvoiceStatus | None = None
    sync: SyncState | None = None
    customer: int | None = None
    currency: str = ""
    least: Money | None = None
    """In `currency`, as `most`; amounts of different currencies are not compared."""
    most: Money | None = None
    created_from: date | None = None
    created_to: date | None = None
    """Days of the organisation, both included."""
    due_from: date | None = None
    due_to: date | None = None
    order: Order = NEWEST
    zone: str = "UTC"
    """Of the organisation: where its days begin."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """What could not be read, by field, as it was typed: it filters nothing and stays in the form."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """What to do about each of them."""

    @property
    def searches(self) -> bool:
        """Whether the search counts."""
        return len(self.search) >= SHORTEST_SEARCH

    @property
    def statuses(self) -> tuple[InvoiceStatus, ...]:
        """The stored statuses that are left to look through."""
        return tuple(one for one in self.tab.statuses if self.status in (None, one))

    @property
    def narrows(self) -> bool:
        """Whether anything but the tab and the mode leaves out invoices."""
        return bool(self.filters) or self.searches

    @property
    def filters(self) -> dict[str, str]:
        """The filters that are set, by their names in addresses; tab, mode, search and order are none."""
        given = {
            "status": self.status,
            "sync": self.sync,
            "customer": self.customer,
            "currency": self.currency,
            "min": self.least.plain() if self.least else "",
            "max": self.most.plain() if self.most else "",
            "created_from": self.created_from,
            "created_to": self.created_to,
            "due_from": self.due_from,
            "due_to": self.due_to,
        }
        return {name: str(value) for name, value in given.items() if value}

    @property
    def values(self) -> dict[str, str]:
        """Everything that its address says; what says nothing is left out."""
        said = {
            "tab": "" if self.tab is Tab.ALL else self.tab.value,
            "q": self.search,
            "mode": Mode.TEST.value if self.mode is Mode.TEST else "",
            **self.filters,
            **self.refused,
            "sort": "" if self.order == NEWEST else str(self.order),
        }
        return {name: value for name, value in said.items() if value}

    def shown(self, name: str) -> str:
        """What a field of the form holds."""
        return self.values.get(name, "")

    def href(self, path: str = PATH, **more: str) -> str:
        """The one address of this list, with values that are not empty."""
        query = urlencode(self.values | {name: value for name, value in more.items() if value})
        return f"{path}?{query}" if query else path

    def in_tab(self, tab: Tab) -> InvoiceFilter:
        """The same in another tab; a single status would contradict most of them."""
        return replace(self, tab=tab, status=None)

    def in_mode(self, mode: Mode) -> InvoiceFilter:
        """The same of another mode."""
        return replace(self, mode=mode)

    def ordered(self, column: Column) -> InvoiceFilter:
        """The same after a press on the head of a column."""
        return replace(self, order=self.order.pressed(column))

    def cleared(self) -> InvoiceFilter:
        """The tab, mode and order alone."""
        return InvoiceFilter(self.today, self.tab, mode=self.mode, order=self.order, zone=self.zone)

    def without(self, *names: str) -> InvoiceFilter:
        """The same without these filters, by their names in addresses."""
        return read_filter({name: value for name, value in self.values.items() if name not in names}, self)


def read_filter(values: Mapping[str, str], frame: InvoiceFilter, *, currency: str = "") -> InvoiceFilter:
    """The filter of an address; what cannot be read filters nothing, and is kept in `refused`.

    Args:
        values: from the address, so anything.
        frame: gives today, the zone and the mode, which the address does not decide alone.
        currency: the organisation's, which amounts are in when the address names none.
    """
    given = {name: text.replace("\0", "").strip()[:LONGEST] for name, text in values.items()}
    reader = _Reader(given)
    chosen = given.get("currency", "").lower()
    chosen = chosen if is_currency(chosen) else ""
    if not chosen and (given.get("min") or given.get("max")):
        chosen = currency or frame.currency
    found = InvoiceFilter(
        today=frame.today,
        tab=Tab(given["tab"]) if given.get("tab") in list(Tab) else Tab.ALL,
        search=given.get("q", ""),
        mode=frame.mode,
        status=InvoiceStatus(given["status"]) if given.get("status") in list(InvoiceStatus) else None,
        sync=SyncState(given["sync"]) if given.get("sync") in list(SyncState) else None,
        customer=_number(given.get("customer", "")),
        currency=chosen,
        least=reader.money("min", chosen),
        most=reader.money("max", chosen),
        created_from=reader.day("created_from"),
        created_to=reader.day("created_to"),
        due_from=reader.day("due_from"),
        due_to=reader.day("due_to"),
        order=_order(given.get("sort", "")),
        zone=frame.zone,
    )
    return replace(found, refused=reader.refused, problems=reader.problems)


class _Reader:
    """Reads fields, and keeps what it could not read."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self.refused: dict[str, str] = {}
        self.problems: dict[str, str] = {}

    def money(self, name: str, currency: str) -> Money | None:
        text = self._given.get(name, "")
        if not text or not currency:
            return None
        try:
            return parse_money(text, currency)
        except MoneyError as error:
            self._refuse(name, text, str(error))
            return None

    def day(self, name: str) -> date | None:
        text = self._given.get(name, "")
        if not text:
            return None
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = date.min
        if day.year in FIRST_AND_LAST_YEAR:  # its midnight may lie outside of the calendar elsewhere
            self._refuse(name, text, "Enter a date such as 2026-11-30.")
            return None
        return day

    def _refuse(self, name: str, text: str, what_to_do: str) -> None:
        self.refused[name], self.problems[name] = text, what_to_do


def _order(text: str) -> Order:
    name = text.removeprefix("-")
    return Order(Column(name), text.startswith("-")) if name in list(Column) else NEWEST


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
