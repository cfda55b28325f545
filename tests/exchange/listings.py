"""A provider of the tests alone that lists customers and invoices, and what a test may do to it meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from portal.audit.services import SYSTEM
from portal.contract.accounts import Account
from portal.contract.errors import ProviderError
from portal.contract.facts import CustomerSeen, Fact, InvoiceSeen, Mode, PaymentSucceeded, SeenLine
from portal.contract.work import (
    EventPage,
    ListedEvent,
    ListedKind,
    PageWanted,
    Reading,
    ReadingPage,
    ReceivedEvent,
    StoredEvent,
    Subject,
)
from portal.database.transaction import connection
from portal.exchange.run_work import work_on_run
from portal.exchange.runs import Purpose, RunOrder, start_run
from portal.money import Money
from tests.accounts.fakes import Acme

PER_PAGE = 5
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

Hook = Callable[[PageWanted], Awaitable[None]]


@dataclass(slots=True)
class Thing:
    """An object at the provider."""

    key: str
    created: datetime
    facts: tuple[Fact, ...]
    open: bool = True


@dataclass(slots=True)
class World:
    """What the provider holds; `hook` is called for each page before it is read."""

    things: dict[str, list[Thing]] = field(default_factory=lambda: {"customers": [], "invoices": []})
    events: list[tuple[datetime, ListedEvent]] = field(default_factory=list)
    hook: Hook | None = None
    asked: list[PageWanted] = field(default_factory=list)

    def add_customers(self, count: int, *, apart: timedelta = timedelta(hours=1)) -> None:
        """That many, oldest first."""
        first = len(self.things["customers"])
        for number in range(first, first + count):
            at = NOON - apart * (1000 - number)
            name = f"Customer {number}"
            seen = CustomerSeen(
                f"cus_{number}", name, f"c{number}@example.com", None, deleted=False, occurred_at=at
            )
            self.things["customers"].append(Thing(f"customer:cus_{number}", at, (seen,)))

    def add_invoice(self, number: int, *, status: str = "open", total: int = 9_000) -> Thing:
        """An invoice that was made at the provider."""
        at = NOON - timedelta(days=2) + timedelta(minutes=number)
        seen = InvoiceSeen(
            external_id=f"in_{number}",
            number=f"ACME-{number}",
            status=status,
            total=Money(total, "usd"),
            tax=Money(0, "usd"),
            customer_external_id=f"cus_of_{number}",
            customer_name="Globex",
            customer_email="ap@globex.example",
            created_at=at,
            finalised_at=at,
            lines=(SeenLine("Rockets", 1, Money(total, "usd")),),
        )
        thing = Thing(f"invoice:in_{number}", at, (seen,))
        self.things["invoices"].append(thing)
        return thing

    def pay(self, number: int) -> None:
        """The customer pays at the provider."""
        thing = next(t for t in self.things["invoices"] if t.key == f"invoice:in_{number}")
        seen = thing.facts[0]
        assert isinstance(seen, InvoiceSeen)
        paid = PaymentSucceeded(0, f"pi_{number}", seen.total, NOON)
        thing.facts, thing.open = (replace(seen, status="paid"), paid), False

    def tell(self, number: int, at: datetime) -> None:
        """An event about an invoice, which the list shows and nobody delivers."""
        event = ReceivedEvent(
            f"evt_{number}", "invoice.paid", "invoice", f"in_{number}", f"in_{number}", Mode.TEST, None
        )
        self.events.append((at, ListedEvent(event, b"{}")))


WORLD = World()


class Listing(Acme):
    """Acme, with lists."""

    listed_kinds: ClassVar[tuple[ListedKind, ...]] = (
        ListedKind("customers", "Customers"),
        ListedKind("invoices", "Invoices", open_only=True),
    )

    async def read_page(self, account: Account, wanted: PageWanted) -> ReadingPage:  # noqa: ARG002 - the contract's
        """Newest first, a few at a time."""
        WORLD.asked.append(wanted)
        if WORLD.hook is not None:
            await WORLD.hook(wanted)
        found = [thing for thing in WORLD.things[wanted.kind] if _inside(thing, wanted)]
        found.sort(key=lambda thing: thing.created, reverse=True)
        if wanted.after is not None:
            keys = [thing.key for thing in found]
            if wanted.after not in keys:
                raise ProviderError(f"No such object: {wanted.after}")
            found = found[keys.index(wanted.after) + 1 :]
        page = found[:PER_PAGE]
        return ReadingPage(
            [Reading(thing.facts, key=thing.key) for thing in page],
            page[-1].key if len(found) > PER_PAGE else None,
            page[-1].created if page else None,
        )

    async def read(
        self,
        account: Account,  # noqa: ARG002 - the contract's
        subject: Subject,
        events: Sequence[StoredEvent],  # noqa: ARG002 - the contract's
    ) -> Reading:
        """One object."""
        for things in WORLD.things.values():
            for thing in things:
                if thing.key == subject.key:
                    return Reading(thing.facts)
        raise ProviderError(f"No such object: {subject.key}")

    async def list_events(
        self,
        account: Account,  # noqa: ARG002 - the contract's
        *,
        since: datetime,
        after: str | None,
    ) -> EventPage | None:
        """Newest first, two at a time."""
        found = [listed for at, listed in sorted(WORLD.events, key=lambda e: e[0]) if at >= since][::-1]
        start = int(after or 0)
        return EventPage(found[start : start + 2], str(start + 2) if len(found) > start + 2 else None)


def _inside(thing: Thing, wanted: PageWanted) -> bool:
    since, until = wanted.since or thing.created, wanted.until or datetime.max.replace(tzinfo=UTC)
    return since <= thing.created < until and (thing.open or not wanted.open_only)


async def begin(account_id: int, purpose: Purpose = Purpose.RESYNC, *, repairs: bool = False) -> int:
    """A run that waits for a worker."""
    order = RunOrder(account_id, Listing(), purpose, repairs=repairs)
    return (await start_run(order, actor=SYSTEM)).run_id


async def work_to_end(run_id: int, *, stretches: int = 5) -> str:
    """Be the worker until the run is over; returns its state."""
    for _ in range(stretches):
        await work_on_run(run_id)
        if (state := await state_of(run_id)) not in ("waiting", "running"):
            return state
    return state


async def state_of(run_id: int) -> str:
    """The state of a run."""
    async with connection() as held:
        found: str = await held.fetchval("SELECT state FROM sync_run WHERE id = $1", run_id)
    return found


async def forget_lease(run_id: int) -> None:
    """What half a minute without a word from a killed worker does."""
    async with connection() as held:
        await held.execute(
            "UPDATE sync_run SET lease_until = now() - interval '1 s', due_at = NULL WHERE id = $1", run_id
        )


async def totals(run_id: int) -> dict[str, int]:
    """Its counts, all slices together."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT sum(seen) AS seen, sum(created) AS created, sum(updated) AS updated,
                   sum(unchanged) AS unchanged, sum(differing) AS differing
            FROM sync_cursor WHERE run = $1
            """,
            run_id,
        )
    return {name: int(value) for name, value in dict(row or {}).items()}


async def locate(account: Account, event: StoredEvent) -> Subject | str:
    """As a plugin's `locate`."""
    assert account.id == event.account_id
    return Subject(f"{event.object_kind}:{event.object_id}", (event.object_id,))
