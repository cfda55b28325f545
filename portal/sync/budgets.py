"""How many calls a connection may make: one bucket for all processes, in PostgreSQL.

Who comes when the bucket is empty takes what will flow in next and waits for it: the processes stand in one
line, and each of them takes a few calls at a time for those of its own that wait. Work in the background
never takes ahead and leaves a part of the bucket to people and events.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from portal.contract.errors import ProviderUnavailable
from portal.database.transaction import connection
from portal.sync.counts import count_for

SHARE = 0.8
"""Of what the provider takes: others use the account too, and calls bunch up on their way."""
LEASE_SECONDS = 0.1
"""What a process may take at once, and how long it may keep it."""
CAPACITY_SECONDS = 0.15
"""What gathers while nobody calls. With a lease's worth it stays within the fifth that `SHARE` leaves."""
RESERVE = 1 / 3
"""Of the bucket: background work leaves it."""
WAIT_SECONDS = 8.0
BACKGROUND_WAIT_SECONDS = 30.0
"""After half of it background work stands in the line like everybody: slow, but never starved."""
PAUSE_SECONDS = 1.0
"""After a refusal that names no time."""
LONGEST_PAUSE_SECONDS = 120.0
LONGEST_POSSIBLE_SECONDS = LONGEST_PAUSE_SECONDS * 1.5
"""A pause that seems longer is of a clock that was put back: it must not stop everybody."""
LEAST_SHARE = 0.1
"""Refusals slow the bucket down to this part of its rate."""
RECOVERY_SECONDS = 30.0
"""From nothing to the full rate."""

_background: ContextVar[bool] = ContextVar("portal_background_calls", default=False)


class BudgetSpent(ProviderUnavailable):
    """No call became free in time: too much is asked of the provider at once."""

    code = "CALL_BUDGET_SPENT"


@contextmanager
def background_calls() -> Iterator[None]:
    """Calls in here may wait for people and events: backfills and comparisons."""
    token = _background.set(True)
    try:
        yield
    finally:
        _background.reset(token)


async def take_call(account_id: int, per_second: float) -> None:
    """Return when the next call may go out.

    Args:
        account_id: the connection.
        per_second: what its provider takes; the portal uses four fifths of it.

    Raises:
        ProviderUnavailable: not in time; nothing was sent.
    """
    background = _background.get()
    till = _till(account_id, background=background)
    if not till.pay():
        await _wait_in_line(till, account_id, per_second * SHARE)
    count_for(account_id, "call")


async def note_slow_down(account_id: int, retry_after: float | None = None) -> None:
    """The provider refused a call as one too many: all pause, and go on at half the rate for a while."""
    count_for(account_id, "call_refused")
    for background in (False, True):
        _till(account_id, background=background).left = 0
    async with connection() as held:
        await held.execute(
            """
            INSERT INTO call_budget AS old (account, per_second, tokens, filled_at)
            VALUES ($1, 0, 0, clock_timestamp() + make_interval(secs => $2))
            ON CONFLICT (account) DO UPDATE SET tokens = least(old.tokens, 0),
                   per_second = old.per_second
                                / CASE WHEN old.filled_at > clock_timestamp() THEN 1 ELSE 2 END,
                   filled_at = greatest(old.filled_at, excluded.filled_at)
            """,
            account_id,
            min(retry_after or PAUSE_SECONDS, LONGEST_PAUSE_SECONDS),
        )


@dataclass(slots=True)
class _Till:
    """The calls that this process holds for one connection, and the line of those who wait for them."""

    background: bool
    line: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    size: int = 1
    left: int = 0
    ends: float = 0.0

    def pay(self) -> bool:
        """Use a call that is held, if there is one."""
        if self.left <= 0 or time.monotonic() > self.ends:
            return False
        self.left -= 1
        return True

    def wanted(self, rate: float) -> int:
        """How many to take: for those who wait, or twice what was used up before its time was over."""
        most = max(1, math.floor(rate * LEASE_SECONDS))
        busy = self.left == 0 and time.monotonic() <= self.ends
        self.size = min(self.size * 2, most) if busy else 1
        return min(max(self.waiting, self.size), most)


@dataclass(frozen=True, slots=True)
class Lease:
    """Calls that were taken (0: none, ask again later) and after how many seconds they may go out."""

    taken: int
    wait: float


_tills: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[int, bool], _Till]] = (
    weakref.WeakKeyDictionary()
)


def forget_tills() -> None:
    """Give up the calls that this process holds, for tests that empty the tables."""
    _tills.clear()


def _till(account_id: int, *, background: bool) -> _Till:
    tills = _tills.setdefault(asyncio.get_running_loop(), {})
    return tills.setdefault((account_id, background), _Till(background))


async def _wait_in_line(till: _Till, account_id: int, rate: float) -> None:
    seconds = BACKGROUND_WAIT_SECONDS if till.background else WAIT_SECONDS
    began = time.monotonic()
    till.waiting += 1
    try:
        async with asyncio.timeout(seconds):
            async with till.line:
                while not till.pay():
                    patient = till.background and time.monotonic() - began < seconds / 2
                    await _fill(till, account_id, rate, patient=patient)
    except TimeoutError:
        count_for(account_id, "call_timed_out")
        raise _spent(seconds / 4) from None
    finally:
        till.waiting -= 1


async def _fill(till: _Till, account_id: int, rate: float, *, patient: bool) -> None:
    """Take calls for those who wait here, and wait until they may go out."""
    lease = await lease_calls(account_id, rate, till.wanted(rate), patient=patient)
    if not lease.taken and not patient:
        raise _spent(lease.wait)
    if not lease.taken or lease.wait > 0:
        count_for(account_id, "call_waited")
        await asyncio.sleep(lease.wait if lease.taken else min(lease.wait, 1.0) * _spread())
    till.left, till.ends = lease.taken, time.monotonic() + LEASE_SECONDS


def _spent(seconds: float) -> BudgetSpent:
    return BudgetSpent("Too many calls wait for the provider.", retry_after=seconds * _spread())


def _spread() -> float:
    return random.uniform(1, 1.5)  # noqa: S311 - it only keeps callers apart


async def lease_calls(account_id: int, rate: float, wanted: int, *, patient: bool) -> Lease:
    """Take some calls out of the bucket in one statement. `patient`: none that has not flowed in yet."""
    async with connection() as held:
        if held.is_in_transaction():
            raise RuntimeError("a transaction must not stay open while a provider is called")
        while (row := await held.fetchrow(_TAKE, account_id, rate, wanted, patient)) is None:
            await held.execute(_OPEN, account_id, rate)
    return Lease(row["taken"], row["wait"])


_OPEN = """
INSERT INTO call_budget (account, per_second, tokens, filled_at) VALUES ($1, $2, 1, clock_timestamp())
ON CONFLICT (account) DO NOTHING
"""
_TAKE = f"""
WITH stored AS (
    SELECT account, tokens, per_second, clock_timestamp() AS now,
           CASE WHEN filled_at <= clock_timestamp() + make_interval(secs => {LONGEST_POSSIBLE_SECONDS})
                THEN filled_at ELSE clock_timestamp() END AS filled_at,
           -- Losing the last of these in a crash means a few calls too many; a flush for each costs more.
           set_config('synchronous_commit', 'off', true)
    FROM call_budget WHERE account = $1 FOR UPDATE
), known AS (
    SELECT account, tokens, filled_at, greatest(per_second, $2 * {LEAST_SHARE}) AS slow, now,
           extract(epoch FROM now - filled_at)::float8 AS since
    FROM stored
), shaped AS (
    SELECT account, now, filled_at, tokens, since, size, size * {RESERVE} AS spare,
           least($2, slow + $2 * greatest(since, 0) / {RECOVERY_SECONDS}) AS rate
    FROM known, LATERAL (SELECT greatest($2 * {CAPACITY_SECONDS}, 1.5) AS size) AS bucket
), filled AS (
    SELECT account, now, filled_at, rate, spare, least(tokens + rate * greatest(since, 0), size) AS there,
           greatest(-since, 0) AS pause
    FROM shaped
), lined_up AS (
    SELECT account, now, filled_at, rate, spare, there,
           pause + greatest(CASE WHEN $4 THEN 1 + spare ELSE $3::int END - there, 0) / rate AS wait
    FROM filled
), granted AS (
    SELECT account, now, filled_at, rate, there, wait,
           CASE WHEN $4 THEN least($3::int, greatest(floor(there - spare), 0)::int)
                WHEN wait > {WAIT_SECONDS} THEN 0 ELSE $3::int END AS taken
    FROM lined_up
)
UPDATE call_budget b SET tokens = there - taken, per_second = rate, filled_at = greatest(g.filled_at, now)
FROM granted g WHERE b.account = g.account RETURNING taken, wait
"""  # noqa: S608 - constants of ours
