"""The worker's side of a run: stretches of a few seconds in which several slices are read at once.

A process that dies anywhere leaves whole pages behind; the next stretch goes on where the last page ended.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable
from datetime import timedelta

from portal.accounts.services import AccountDisconnected, load_account, mark_broken
from portal.contract.errors import AccountAuthFailed, AccountNotReady
from portal.contract.loading import plugin_by_id
from portal.database.transaction import connection, transaction
from portal.errors import NotFound
from portal.exchange.comparisons import UNLISTED, compare_unlisted, repair_drifts, unlisted_keys
from portal.exchange.cursors import Cursor, CursorMoved, leave_out, make_cursors, open_cursors
from portal.exchange.failures import in_words
from portal.exchange.run_leases import (
    LeaseLost,
    Run,
    beat,
    claim_run,
    end_of_connection,
    finish_run,
    give_back_run,
    grant_wish,
    hand_back,
)
from portal.exchange.run_pages import Stretch, one_page
from portal.exchange.runs import Purpose

STRETCH_SECONDS = 20.0
"""How long a job works on a run before it rings itself again: other work gets its turn, deadlines hold."""
BEAT_SECONDS = 1.0
LANES = 8
"""Pages on their way at once. A page under way to the provider holds no connection."""
FIRST_RANGE_OF = frozenset({"invoices", "refunds", "disputes"})
"""After connecting these alone are limited to the run's range: they pile up, and old ones rarely matter."""


async def work_on_run(run_id: int) -> None:
    """Work on a run for a while. May be called twice, late, or for a run that is over."""
    run = await claim_run(run_id)
    if run is None:
        return
    if run.wish:
        await grant_wish(run, run.wish)
        return
    stretch: Stretch | None = None
    try:
        stretch = await _prepared(run)
        await _work(stretch)
    except (LeaseLost, CursorMoved):
        return  # somebody else has it
    except AccountDisconnected as error:
        await end_of_connection(run, error.message)
    except asyncio.CancelledError:
        await hand_back(run, progressed=_progressed(stretch))
        raise
    except Exception as error:  # noqa: BLE001 - the process's edge: what went wrong must be on the run
        await _give_back(run, error, progressed=_progressed(stretch))


def _progressed(stretch: Stretch | None) -> bool:
    return stretch is not None and stretch.written > 0


async def _prepared(run: Run) -> Stretch:
    """The account with its key, and the slices as the run's first stretch begins."""
    account = await load_account(run.account_id)
    plugin = plugin_by_id(account.plugin)
    if plugin is None:
        raise NotFound("The plugin of this connection is not loaded.")
    limited = FIRST_RANGE_OF if run.purpose is Purpose.FIRST else frozenset(run.kinds)
    kinds = [(kind, run.range_from if kind in limited else None) for kind in run.kinds]
    if run.purpose is Purpose.COMPARISON:
        kinds.append((UNLISTED, None))
    until = run.created_at.replace(microsecond=0) + timedelta(seconds=1)
    async with transaction() as tx:
        await make_cursors(tx.connection, run.id, kinds, until)
    return Stretch(run, account, plugin)


async def _work(stretch: Stretch) -> None:
    run = stretch.run
    pulse = asyncio.create_task(_keep(stretch), name=f"run {run.id}")
    try:
        whole = await _with_pulse(pulse, _read_all(stretch))
    finally:
        pulse.cancel()
        await asyncio.wait({pulse})
    await beat(run, time.monotonic() - stretch.beaten)
    if whole:
        await finish_run(run)
    elif stretch.wish:
        await grant_wish(run, stretch.wish)
    else:
        await hand_back(run, progressed=stretch.written > 0)


async def _keep(stretch: Stretch) -> None:
    """The heartbeat: keeps the lease, and ends the stretch when time is up or a person wishes something.

    Raises:
        LeaseLost: somebody else has the run.
    """
    began = stretch.beaten
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        now = time.monotonic()
        stretch.wish = await beat(stretch.run, now - stretch.beaten)
        stretch.beaten = now
        if stretch.wish or now - began > STRETCH_SECONDS:
            stretch.over.set()


async def _with_pulse(pulse: asyncio.Task[None], work: Awaitable[bool]) -> bool:
    """The work's result; without a heartbeat it ends at once."""
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait({pulse, working}, return_when=asyncio.FIRST_COMPLETED)
        if pulse.done() and not working.done():
            pulse.result()
        return await working
    finally:
        working.cancel()
        await asyncio.wait({working})


async def _read_all(stretch: Stretch) -> bool:
    """Read kind after kind; whether everything was."""
    for kind in stretch.run.kinds:
        try:
            await _read_kind(stretch, kind)
        except AccountNotReady as error:
            async with transaction() as tx:
                await leave_out(tx.connection, stretch.run.id, kind, f"{error.message} {error.hint}".strip())
        if stretch.over.is_set():
            return False
    return await _read_unlisted(stretch) if stretch.compares else True


async def _read_kind(stretch: Stretch, kind: str) -> None:
    async with connection() as held:
        ready = deque(await open_cursors(held, stretch.run.id, kind))
    busy: set[asyncio.Task[list[Cursor]]] = set()
    lanes = 1 if stretch.in_order(kind) else LANES
    try:
        while (ready and not stretch.over.is_set()) or busy:
            while ready and len(busy) < lanes and not stretch.over.is_set():
                spare = len(busy) + len(ready) < lanes
                busy.add(asyncio.create_task(one_page(stretch, ready.popleft(), spare=spare)))
            done, busy = await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                ready.extend(task.result())
    finally:
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def _read_unlisted(stretch: Stretch) -> bool:
    """Our own open objects that the provider did not list as open; whether all of them were read."""
    while keys := await unlisted_keys(stretch.run):
        for key in keys:
            if stretch.over.is_set():
                return False
            drift = await compare_unlisted(stretch.run, stretch.account, stretch.plugin, key)
            if drift is not None and stretch.run.repairs:
                await repair_drifts(stretch.account, [drift])
    async with transaction() as tx:
        await leave_out(tx.connection, stretch.run.id, UNLISTED, "")
    return True


async def _give_back(run: Run, error: Exception, *, progressed: bool) -> None:
    known = in_words(error, f"run {run.id}")
    if isinstance(known, AccountAuthFailed):
        try:
            account = await load_account(run.account_id)
        except AccountDisconnected:
            return
        await mark_broken(account.id, known.message, refused=account.credentials)
    await give_back_run(run, known, progressed=progressed)
