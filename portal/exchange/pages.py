"""A page of a list becomes rows: what is known is passed over, what is new is written in bulk."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from portal.audit.sources import Source
from portal.contract.errors import EventQuarantined
from portal.contract.facts import (
    CustomerSeen,
    Fact,
    InvoiceFact,
    InvoiceSeen,
    PlanSeen,
    ProductSeen,
    SubscriptionSeen,
)
from portal.contract.work import Reading
from portal.customers import bulk as customers
from portal.database.transaction import Connection
from portal.exchange.readings import ELSEWHERE, Applied, apply_facts, facts_of
from portal.invoices import bulk as invoices
from portal.invoices.imports import NewInvoice
from portal.subscriptions import bulk as subscriptions
from portal.subscriptions.first_payments import open_first_payments
from portal.sync.differences import open_among

logger = logging.getLogger("portal.work")
UNSTORABLE = "The database has no room for what it says. The log has the details."


@dataclass(slots=True)
class Written:
    """What became of the readings of a page, by their keys."""

    done: dict[str, Applied]
    refused: dict[str, str] = field(default_factory=dict)
    """What must have no effect here, each with the reason."""


@dataclass(slots=True)
class _Sorted:
    """The readings of a page by how they are written."""

    known: dict[str, Applied] = field(default_factory=dict)
    new_facts: dict[str, Reading] = field(default_factory=dict)
    """Whole readings of customers, products, plans and subscriptions that are not known."""
    new_invoices: list[tuple[Reading, NewInvoice]] = field(default_factory=list)
    singly: list[Reading] = field(default_factory=list)


async def write_page(
    held: Connection, source: Source, readings: Sequence[Reading], *, found_by: str
) -> Written:
    """Apply many readings inside the caller's transaction, in the order in which they are given."""
    found = await _sort(held, source, readings)
    written = Written(found.known | await _add_together(held, source, found))
    for reading in found.singly:
        await _write_one(held, source, reading, written=written, found_by=found_by)
    return written


async def _write_one(
    held: Connection, source: Source, reading: Reading, *, written: Written, found_by: str
) -> None:
    """One reading, fact by fact. One that must have no effect leaves the rest of the page as it is."""
    noted = len(source.notes)
    try:
        async with held.transaction():
            written.done[reading.key] = await apply_facts(held, source, reading, found_by=found_by)
    except EventQuarantined as error:
        del source.notes[noted:]
        written.refused[reading.key] = error.message
    except asyncpg.DataError:
        logger.exception("%s of account %s cannot be stored", reading.key, source.account_id)
        del source.notes[noted:]
        written.refused[reading.key] = UNSTORABLE


async def _sort(held: Connection, source: Source, readings: Sequence[Reading]) -> _Sorted:
    stored = await _read_stored(held, source, readings)
    found = _Sorted()
    for reading in readings:
        if reading.key.partition(":")[2] in stored.differing:
            found.singly.append(reading)  # both sides may agree again
        elif reading.invoice_id or any(isinstance(fact, InvoiceSeen) for fact in reading.facts):
            _sort_invoice(stored, found, reading)
        else:
            _sort_other(stored, found, reading)
    return found


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is stored of everything that a page is about."""

    links: Mapping[str, Any]
    rows: Mapping[type[Fact], Mapping[str, Any]]
    invoices: invoices.KnownInvoices
    differing: frozenset[str]
    """The provider's ids of what is known to differ."""


async def _read_stored(held: Connection, source: Source, readings: Sequence[Reading]) -> _Stored:
    facts = [fact for reading in readings for fact in reading.facts]
    return _Stored(
        await customers.known_links(held, source, facts_of(facts, CustomerSeen)),
        {
            ProductSeen: await subscriptions.known_rows(held, source, facts_of(facts, ProductSeen)),
            PlanSeen: await subscriptions.known_rows(held, source, facts_of(facts, PlanSeen)),
            SubscriptionSeen: await subscriptions.known_rows(held, source, facts_of(facts, SubscriptionSeen)),
        },
        await invoices.known_invoices(
            held,
            source,
            {reading.invoice_id for reading in readings if reading.invoice_id},
            {fact.external_id for fact in facts_of(facts, InvoiceSeen)},
        ),
        await open_among(held, source.account_id, [r.key.partition(":")[2] for r in readings]),
    )


def _sort_invoice(stored: _Stored, found: _Sorted, reading: Reading) -> None:
    seen = next(iter(facts_of(reading.facts, InvoiceSeen)), None)
    about = _about_invoice(reading.facts)
    if len(about) + (seen is not None) != len(reading.facts):
        found.singly.append(reading)  # it also tells of something else
        return
    known = stored.invoices.of(reading.invoice_id, seen)
    if known is None and seen is not None and (new := invoices.new_invoice(seen, about)):
        found.new_invoices.append((reading, new))
    elif known is not None and invoices.says_nothing_new(known, stored.invoices.zone, seen, about):
        found.known[reading.key] = Applied(invoice_id=known.row["id"])
    else:
        found.singly.append(reading)


def _sort_other(stored: _Stored, found: _Sorted, reading: Reading) -> None:
    if not reading.facts:
        found.known[reading.key] = Applied()
        return
    states = [_state(stored, fact) for fact in reading.facts]
    if all(state is True for state in states):
        found.known[reading.key] = Applied()
    elif all(state is None for state in states):
        found.new_facts[reading.key] = reading
    else:
        found.singly.append(reading)


def _state(stored: _Stored, fact: Fact) -> bool | None:
    """True: it says nothing new; None: nobody knows the object yet; False: anything else."""
    if isinstance(fact, CustomerSeen):
        link = stored.links.get(fact.external_id)
        if link is None:
            return None if fact.customer_id is None else False
        return customers.says_nothing_new(link, fact)
    if isinstance(fact, ProductSeen | PlanSeen | SubscriptionSeen):
        row = stored.rows[type(fact)].get(fact.external_id)
        return None if row is None else subscriptions.says_nothing_new(row, fact)
    return False


async def _add_together(held: Connection, source: Source, found: _Sorted) -> dict[str, Applied]:
    """Write what is new; when the database refuses one of them, each is tried for itself."""
    noted, new = len(source.notes), [reading for reading, _ in found.new_invoices]
    alone = sorted([*found.singly, *found.new_facts.values(), *new], key=lambda reading: reading.key)
    try:
        async with held.transaction():
            return await _add(held, source, found)
    except asyncpg.DataError:
        del source.notes[noted:]
        found.singly = alone
        return {}


async def _add(held: Connection, source: Source, found: _Sorted) -> dict[str, Applied]:
    """Write what is new. What somebody made meanwhile is left for the slow way."""
    facts = [fact for new in found.new_facts.values() for fact in new.facts]
    noted = await customers.add_links(held, source, facts_of(facts, CustomerSeen))
    for key, told in list(found.new_facts.items()):
        if not noted.issuperset(fact.external_id for fact in facts_of(told.facts, CustomerSeen)):
            found.singly.append(found.new_facts.pop(key))
    await subscriptions.add_products(held, source, facts_of(facts, ProductSeen))
    await subscriptions.add_plans(held, source, facts_of(facts, PlanSeen))
    results = {key: Applied(created=True) for key in found.new_facts}
    if found.new_invoices:
        made = await invoices.add_invoices(held, source, [new for _, new in found.new_invoices])
        for reading, new in found.new_invoices:
            if new.seen.external_id in made:
                results[reading.key] = Applied(invoice_id=made[new.seen.external_id], created=True)
            else:
                found.singly.append(reading)
        await open_first_payments(held, source, [new.seen for _, new in found.new_invoices])
    await subscriptions.add_subscriptions(held, source, facts_of(facts, SubscriptionSeen))
    return results


def _about_invoice(facts: Iterable[Fact]) -> list[InvoiceFact]:
    return [fact for fact in facts if not isinstance(fact, ELSEWHERE)]
