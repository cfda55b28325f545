"""One page of a run: read without a connection, written in one transaction with its place in the list."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from portal.accounts.services import require_connected
from portal.contract.accounts import Account
from portal.contract.errors import AccountAuthFailed, ProviderError, ProviderUnavailable
from portal.contract.plugin import Plugin
from portal.contract.work import ReadingPage
from portal.database.transaction import Connection, connection, transaction
from portal.exchange.applying import PageResult
from portal.exchange.comparisons import note_page, repair_drifts
from portal.exchange.cursors import Cursor, CursorMoved, Moved, move_cursor, rewind_cursor, split_cursor
from portal.exchange.drifts import Drift, Read, drifts_of_page
from portal.exchange.failures import ReadingOvertaken, is_of_the_object
from portal.exchange.fences import reading_begins
from portal.exchange.leftovers import apply_singly, apply_together
from portal.exchange.run_leases import LeaseLost, Run, hold_lease
from portal.exchange.runs import Purpose
from portal.exchange.statistics import renew_statistics
from portal.failpoints import Failpoint, reach
from portal.sync.budgets import background_calls

WRITERS = 4
"""Pages that are being written at once: the pool has connections left for other work."""
TRIES = 5
"""Of a page whose transaction the database undid because it met another one."""
PAGES_BETWEEN_LOOKS = 8
"""After so many pages the tables may have outgrown the plans that were made for them."""
MOST_READS = 3
"""Of a page that tells its objects in parts, while newer news of one of them comes in between."""
_MET_ANOTHER = (asyncpg.TransactionRollbackError, asyncpg.UniqueViolationError)


@dataclass(slots=True)
class Stretch:
    """One stretch of work on a run, and what its lanes share."""

    run: Run
    account: Account
    plugin: Plugin
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """No further page is begun: time is up, or a person wishes something."""
    wish: str = ""
    written: int = 0
    """Pages."""
    beaten: float = field(default_factory=time.monotonic)
    """When the heartbeat last told how long was worked."""
    writers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WRITERS))

    @property
    def compares(self) -> bool:
        """Whether nothing is written but a report, about what can still change."""
        return self.run.purpose is Purpose.COMPARISON

    def in_order(self, kind: str) -> bool:
        """Whether the pages of a kind come one after the other.

        Those of a comparison do, too: a list of what is open may be several lists of which each spans the
        whole range, so that the rest of it cannot be cut off.
        """
        return self.compares or any(each.in_order for each in self.plugin.listed_kinds if each.id == kind)


async def one_page(stretch: Stretch, cursor: Cursor, *, spare: bool) -> list[Cursor]:
    """Read a page and write it; returns the slices that have pages left.

    Args:
        stretch: what the lanes share.
        cursor: the slice.
        spare: a lane has nothing to do, so the rest of this slice is cut in two.
    """
    for _ in range(MOST_READS - 1):
        try:
            return await _one_page(stretch, cursor, spare=spare)
        except ReadingOvertaken:
            continue
    return await _one_page(stretch, cursor, spare=spare)


async def _one_page(stretch: Stretch, cursor: Cursor, *, spare: bool) -> list[Cursor]:
    async with connection() as held:
        began = await reading_begins(held)
    try:
        with background_calls():
            page = await stretch.plugin.read_page(stretch.account, cursor.wanted(open_only=stretch.compares))
    except (ProviderUnavailable, AccountAuthFailed):
        raise
    except ProviderError as refused:
        return await _rewound(stretch, cursor, refused)
    reach(Failpoint.RUN_PAGE_READ)
    async with stretch.writers:
        read = Read(page, began, await _drifts(stretch, page, began))
        slices = await _write(stretch, cursor, read, spare=spare)
    stretch.written += 1
    if stretch.written % PAGES_BETWEEN_LOOKS == 0:
        await renew_statistics()
    if stretch.run.repairs and read.drifts:
        await repair_drifts(stretch.account, read.drifts)
    return [each for each in slices if not each.done]


async def _drifts(stretch: Stretch, page: ReadingPage, began: datetime) -> Sequence[Drift]:
    return await drifts_of_page(stretch.account, page, began=began) if stretch.compares else ()


async def _rewound(stretch: Stretch, cursor: Cursor, refused: ProviderError) -> list[Cursor]:
    """The provider refused the page: perhaps the object that the cursor names is gone; go on by time.

    Raises:
        ProviderError: it is not that.
    """
    async with transaction() as tx:
        await hold_lease(tx.connection, stretch.run)
        rewound = await rewind_cursor(tx.connection, cursor)
    if rewound is None:
        raise refused
    return [rewound]


async def _write(stretch: Stretch, cursor: Cursor, read: Read, *, spare: bool) -> list[Cursor]:
    for _ in range(TRIES - 1):
        try:
            return await _write_once(stretch, cursor, read, spare=spare)
        except _MET_ANOTHER:
            continue
        except (LeaseLost, CursorMoved):
            raise
        except Exception as error:
            if stretch.compares or not is_of_the_object(error):
                raise
            break
    return await _write_once(stretch, cursor, read, spare=spare, singly=not stretch.compares)


async def _write_once(
    stretch: Stretch, cursor: Cursor, read: Read, *, spare: bool, singly: bool = False
) -> list[Cursor]:
    async with transaction() as tx:
        held = tx.connection
        await hold_lease(held, stretch.run)
        await require_connected(held, stretch.account.id)
        if stretch.compares:
            moved = await _report(held, stretch, read)
        else:
            apply = apply_singly if singly else apply_together
            done = await apply(
                held, stretch.run, stretch.account, read, in_parts=stretch.in_order(cursor.kind)
            )
            moved = _moved(read.page, done)
        after = await move_cursor(held, cursor, moved)
        slices = await split_cursor(held, after) if spare else [after]
        reach(Failpoint.RUN_PAGE_WRITTEN)
    reach(Failpoint.RUN_PAGE_COMMITTED)
    return slices


def _moved(page: ReadingPage, done: PageResult) -> Moved:
    return Moved(
        page.after,
        page.oldest,
        seen=len(page.readings),
        created=done.created,
        updated=done.updated,
        unchanged=done.unchanged,
        differing=done.differing,
    )


async def _report(held: Connection, stretch: Stretch, read: Read) -> Moved:
    page, seen = read.page, len(read.page.readings)
    differing = await note_page(held, stretch.run, stretch.account, read)
    return Moved(
        page.after, page.oldest, seen, created=0, updated=0, unchanged=seen - differing, differing=differing
    )
