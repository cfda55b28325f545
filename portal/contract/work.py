"""Work that crosses between the portal and a provider: what a plugin is handed, and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal.contract.facts import Fact, Mode
from portal.errors import PortalError

Connection = Any
"""An asyncpg connection, inside a transaction."""


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """What intake learned from a delivery whose signature holds."""

    external_id: str
    type: str
    object_kind: str
    object_id: str
    group_id: str
    """The id at the root of what the event is about, as far as the body tells: a charge's payment intent."""
    mode: Mode
    api_version: str | None
    account_external_id: str | None = None
    """Set when the delivery names an account of its own; it must equal the connection's."""
    signed_by: int = 0
    """Which of the given secrets signed it, by its place in the sequence."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One row of the inbox."""

    id: int
    account_id: int
    plugin: str
    mode: Mode
    external_id: str
    type: str
    object_kind: str
    object_id: str
    group_id: str
    body: bytes
    state: str
    attempts: int
    received_at: datetime
    leased: bool
    """Claimed, by the caller or by another worker, and the lease has not ended."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that events are about. Everything with the same `key` is done one after the other."""

    key: str
    """`<kind>:<external id>`, such as `invoice:in_1`."""
    group_ids: tuple[str, ...]
    """The groups that its events may have arrived under: all of them share one read."""
    whole: bool = False
    """Somebody looks: everything that belongs to it is wanted, whatever the events tell of."""


SaveReading = Callable[[Connection, int | None], Awaitable[None]]
"""Writes the plugin's own rows in the transaction of the facts. Gets the portal's invoice, if any."""
SavePage = Callable[[Connection, Mapping[str, int | None]], Awaitable[None]]
"""The same for a page: the keys of the readings that were taken, each with its invoice."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a fresh read of one object brought. `invoice_id` None: no known invoice of ours is concerned.

    With an `InvoiceSeen` among the facts the portal finds or makes the invoice, and every other fact with the
    id `UNKNOWN_INVOICE` is about that one.
    """

    facts: Sequence[Fact] = ()
    invoice_id: int | None = None
    words: str = ""
    """Shown on the event when the facts changed nothing."""
    ignored: bool = False
    left: Sequence[StoredEvent] = ()
    """Events that it does not settle: they wait as if the read had failed with `trouble`."""
    trouble: PortalError | None = None
    key: str = ""
    """The subject's key, for readings that nobody asked for by subject (those of a page)."""
    save: SaveReading | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ListedKind:
    """A kind of object that can be listed from the provider in full: for backfill, resync and comparison."""

    id: str
    """`customers`, `invoices`, … Stands in addresses and in rows."""
    title: str
    """For people, in the plural: `Customers`."""
    open_only: bool = False
    """Whether the objects that can still change can be listed alone, for the nightly comparison."""
    in_order: bool = False
    """Whether its pages are written one after the other: several of them may tell of the same object."""


@dataclass(frozen=True, slots=True)
class PageWanted:
    """A page of a list. The range is by the provider's time of creation, `until` exclusive."""

    kind: str
    after: str | None = None
    """The cursor that the page before gave."""
    since: datetime | None = None
    until: datetime | None = None
    open_only: bool = False


@dataclass(frozen=True, slots=True)
class ReadingPage:
    """A page of a list, newest first, as readings with their `key` set and without `save`."""

    readings: Sequence[Reading]
    after: str | None
    """Cursor of the next page; None: this was the last."""
    oldest: datetime | None = None
    """When the last object of the page was created at the provider: how far the list is."""
    save: SavePage | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event from the provider's own list, as intake would have stored it."""

    event: ReceivedEvent
    body: bytes


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of the provider's list of events, newest first. One without any of use may go on."""

    events: Sequence[ListedEvent]
    after: str | None
