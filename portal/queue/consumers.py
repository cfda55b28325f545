"""Consumes one queue in PostgreSQL: fetches, keeps leases alive, settles, and reconnects by itself."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import queue
import random
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed

from portal.queue import statements
from portal.queue.connections import DATABASE_FAILED, connect, disconnect
from portal.queue.counters import count
from portal.queue.failures import name_failure
from portal.queue.jobs import JobMessage, UnreadableJob, read_message
from portal.queue.leases import Leases, write_outcomes
from portal.queue.loops import LoopThread

logger = logging.getLogger("portal.queue")

POLL_SECONDS = 5.0
"""The longest sleep of an idle consumer: what a lost notification costs."""

MAX_DELIVERIES = 10
"""Deliveries without an answer after which a job is dead: it kills its workers. Rows that count their own
attempts give up earlier; this is the net below them."""

CLOSE_SECONDS = 10.0
LOCKED_SECONDS = 0.01
LONGEST_BACKOFF_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ConsumerPlan:
    """Which queue to consume, how many jobs to hold at most, and how long to wait and to lease."""

    queue_name: str
    prefetch: int
    idle_seconds: float
    lease_seconds: float


class PostgresConsumer(Consumer):
    """Dramatiq's side: hands out what the task on the broker's loop fetched, and reports what became of it.

    All methods return at once except `__next__`, which waits for `idle_seconds`, and `close`.
    """

    def __init__(
        self, plan: ConsumerPlan, leases: Leases, *, loops: LoopThread, options: Mapping[str, Any]
    ) -> None:
        self._plan = plan
        self._leases = leases
        self._ready: queue.SimpleQueue[JobMessage] = queue.SimpleQueue()
        self._pump = _Pump(plan, leases, ready=self._ready, options=options)
        self._task: concurrent.futures.Future[None] = loops.submit(self._pump.run())

    def __next__(self) -> JobMessage | None:
        try:
            return self._ready.get(timeout=self._plan.idle_seconds)
        except queue.Empty:
            if self._task.done():
                self._task.result()  # an error it did not expect is Dramatiq's to log
                raise ConnectionClosed("it has stopped") from None  # type: ignore[no-untyped-call]  # Dramatiq's
            return None

    def ack(self, message: MessageProxy) -> None:
        """The job is done, or it is to be retried if its message was enqueued again meanwhile."""
        job = _job(message)
        if job.retry_after_ms is None:
            self._leases.finish(job.job_id)
        else:
            self._leases.retry(job.job_id, delay_ms=job.retry_after_ms, options=dict(job.options))

    def nack(self, message: MessageProxy) -> None:
        """The job becomes a dead letter with the name of what went wrong."""
        job = _job(message)
        count("dead", job.actor_name)
        self._leases.bury(job.job_id, reason=name_failure(job.failure) if job.failure else "rejected")

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back jobs that were fetched and not begun."""
        self._leases.release([_job(message).job_id for message in messages])

    def close(self) -> None:
        """Settle what is known, give back what was not handed out, and close the connection.

        Without PostgreSQL within the deadline it gives up; the leases then run out by themselves.
        """
        self._pump.stop()
        concurrent.futures.wait([self._task], CLOSE_SECONDS)
        self._task.cancel()


class _Pump:
    """The task: the only user of the consumer's connection."""

    def __init__(
        self,
        plan: ConsumerPlan,
        leases: Leases,
        *,
        ready: queue.SimpleQueue[JobMessage],
        options: Mapping[str, Any],
    ) -> None:
        self._plan = plan
        self._leases = leases
        self._ready = ready
        self._options = options
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._stopping = False
        self._fetch_at = 0.0
        self._renew_at = 0.0

    def stop(self) -> None:
        """Ask the task to end. Any thread may call this."""
        self._stopping = True
        self._wake_from_thread()

    async def run(self) -> None:
        """Serve until asked to stop, through any number of lost connections."""
        self._loop = asyncio.get_running_loop()
        self._leases.listen(self._wake_from_thread)
        failures = 0
        try:
            while not self._stopping:
                try:
                    async with self._connected() as connection:
                        failures = 0
                        await self._serve(connection)
                except DATABASE_FAILED as error:
                    failures += 1
                    count("reconnected", self._plan.queue_name)
                    logger.warning("queue %s lost PostgreSQL: %s", self._plan.queue_name, name_failure(error))
                    await self._sleep(_backoff(failures))
        finally:
            self._leases.listen(None)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        connection = await connect(self._options, name=f"consumer {self._plan.queue_name}", durable=False)
        connection.add_termination_listener(self._on_lost)
        try:
            await connection.add_listener(statements.CHANNEL, self._on_announcement)
            # Whatever was announced while nobody listened is found by fetching now.
            self._fetch_at = self._renew_at = 0.0
            yield connection
        finally:
            await disconnect(connection)

    async def _serve(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        while not self._stopping:
            self._wake.clear()
            await self._settle(connection)
            await self._renew(connection)
            if await self._fetch(connection) == 0:
                await self._sleep(self._idle_seconds())
        self._give_back_unread()
        await self._settle(connection)

    async def _settle(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        outcomes = await write_outcomes(connection, self._leases)
        if outcomes.retried or outcomes.released:
            self._fetch_at = 0.0

    async def _renew(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        if time.monotonic() < self._renew_at:
            return
        if held := self._leases.held():
            await connection.execute(statements.RENEW, held, self._leases.owner, self._plan.lease_seconds)
        self._renew_at = time.monotonic() + self._plan.lease_seconds / 3

    async def _fetch(self, connection: asyncpg.Connection[asyncpg.Record]) -> int:
        """Hand out what is visible, if there is room and reason to look; returns how many jobs came."""
        room = self._room()
        if room == 0 or time.monotonic() < self._fetch_at:
            return 0
        plan = self._plan
        rows = await connection.fetch(
            statements.FETCH, plan.queue_name, room, plan.lease_seconds, self._leases.owner
        )
        self._leases.hold([row["id"] for row in rows])
        for row in sorted(rows, key=lambda row: int(row["id"])):
            self._hand_out(row)
        if len(rows) < room:
            await self._plan_next_fetch(connection)
        return len(rows)

    def _room(self) -> int:
        """How many to fetch. None until half is free, so that a full house is not filled one by one."""
        room = self._plan.prefetch - self._leases.count_held()
        return room if room * 2 >= self._plan.prefetch else 0

    def _hand_out(self, row: asyncpg.Record) -> None:
        try:
            message = read_message(row)
        except UnreadableJob as error:
            self._bury(row, f"unreadable: {error}")
            return
        if row["deliveries"] > MAX_DELIVERIES:
            self._bury(row, f"delivered {MAX_DELIVERIES} times without an answer")
            return
        self._ready.put(JobMessage(message, row["id"]))

    def _bury(self, row: asyncpg.Record, reason: str) -> None:
        logger.error("job %s of %s is dead: %s", row["id"], self._plan.queue_name, reason)
        count("dead", self._plan.queue_name)
        self._leases.bury(row["id"], reason=reason)

    async def _plan_next_fetch(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        # The query yields to the loop: an announcement that arrives during it must win.
        self._fetch_at = time.monotonic() + POLL_SECONDS
        seconds = await connection.fetchval(statements.NEXT_VISIBLE, self._plan.queue_name)
        if seconds is not None:
            # Never zero: a visible row that another consumer is just locking must not make this one spin.
            self._fetch_at = min(self._fetch_at, time.monotonic() + max(LOCKED_SECONDS, seconds))

    def _idle_seconds(self) -> float:
        times = [self._renew_at]
        if self._room():
            times.append(self._fetch_at)
        return max(0.0, min(times) - time.monotonic())

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)

    def _give_back_unread(self) -> None:
        unread = []
        with contextlib.suppress(queue.Empty):
            while True:
                unread.append(self._ready.get_nowait().job_id)
        if unread:
            self._leases.release(unread)

    def _wake_from_thread(self) -> None:
        # The task clears the event before it collects what was reported, so a set event is enough.
        if self._loop is not None and not self._wake.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def _on_announcement(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        if payload == self._plan.queue_name:
            self._fetch_at = 0.0
            self._wake.set()

    def _on_lost(self, _connection: object) -> None:
        self._fetch_at = self._renew_at = 0.0
        self._wake.set()


def _job(message: MessageProxy) -> JobMessage:
    if not isinstance(message, JobMessage):
        raise TypeError("only messages of this consumer can be settled by it")
    return message


def _backoff(failures: int) -> float:
    return min(LONGEST_BACKOFF_SECONDS, 0.1 * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnects, guards nothing
