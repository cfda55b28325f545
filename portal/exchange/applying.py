"""How what a plugin read becomes rows of the portal, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from portal.audit.sources import Source
from portal.contract.accounts import Account
from portal.contract.work import Reading, ReadingPage
from portal.database.transaction import Connection
from portal.exchange.failures import ReadingOvertaken
from portal.exchange.fences import pass_fences
from portal.exchange.pages import write_page
from portal.exchange.readings import Applied, apply_facts, source_of
from portal.exchange.settlings import settle_drifts


@dataclass(frozen=True, slots=True)
class PageResult:
    """How many readings of a page did what."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    differing: int = 0
    """Noted as differences instead of being written."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Keys of what must have no effect here, each with the reason; they count as unchanged."""


async def apply_reading(
    held: Connection, account: Account, reading: Reading, *, found_by: str = "event"
) -> str:
    """Apply what was read inside the caller's transaction; returns what changed, as a sentence.

    `found_by`: what a difference is noted with, `event`, `task`, `resync` or `comparison`.
    """
    source = source_of(account)
    applied = await _apply(held, source, reading, found_by=found_by)
    await source.write(held)
    return applied.words


async def apply_opened(held: Connection, account: Account, reading: Reading, *, key: str) -> str:
    """The same of what `open_writing` let pass. What a report said of the object is over if it changed."""
    source = replace(source_of(account), locked=reading.invoice_id)
    applied = await _apply(held, source, reading, found_by="event")
    if applied.words and applied.reported:
        await settle_drifts(held, account, [key])
    await source.write(held)
    return applied.words


async def _apply(held: Connection, source: Source, reading: Reading, *, found_by: str) -> Applied:
    applied = await apply_facts(held, source, reading, found_by=found_by)
    if reading.save is not None:
        await reading.save(held, applied.invoice_id)
    return applied


async def apply_page(
    held: Connection, account: Account, page: ReadingPage, *, read_at: datetime, in_parts: bool = False
) -> PageResult:
    """Apply a page of a list inside the caller's transaction; `read_at` is when its call went out.

    What newer news overtook is left alone, and counts as unchanged. `in_parts`: the readings do not tell all
    of their objects, so newer news need not have brought the same.

    Raises:
        ReadingOvertaken: of readings in parts some were overtaken; read the page again.
    """
    source = source_of(account)
    by_key = {reading.key: reading for reading in page.readings}
    passed = await pass_fences(held, account, list(by_key), began=read_at)
    if in_parts and len(passed) < len(by_key):
        raise ReadingOvertaken("Newer news of an object was stored while a list was read.", retry_after=1)
    # In one order, so that two pages about the same objects take turns.
    written = await write_page(held, source, [by_key[key] for key in sorted(passed)], found_by="resync")
    if page.save is not None:
        await page.save(held, {key: applied.invoice_id for key, applied in written.done.items()})
    await source.write(held)
    return _count(written.done.values(), len(page.readings), written.refused)


def _count(done: Iterable[Applied], readings: int, refused: Mapping[str, str]) -> PageResult:
    known = list(done)
    created = sum(applied.created for applied in known)
    updated = sum(bool(applied.words) and not applied.created for applied in known)
    differing = sum(bool(applied.differing) and not (applied.words or applied.created) for applied in known)
    return PageResult(created, updated, readings - created - updated - differing, differing, refused)
