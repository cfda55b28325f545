"""Periodic jobs without a leader: every worker ticks, and a row lock decides which of them enqueues."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import dramatiq
from dramatiq.asyncio import EventLoopThread, get_event_loop_thread
from dramatiq.broker import Broker
from dramatiq.middleware import Middleware
from dramatiq.worker import Worker

from portal.errors import ConfigurationError
from portal.queue import statements
from portal.queue.connections import DATABASE_FAILED, connect, disconnect
from portal.queue.doorbells import QueueUnavailable, enqueue
from portal.queue.failures import WorkerNotReady, describe_failure, name_failure
from portal.queue.jobs import enqueue_in, purge_dead
from portal.queue.messages import DEFAULT_QUEUE, build_message
from portal.queue.postgres import PostgresBroker

logger = logging.getLogger("portal.queue")

TICK_SECONDS = 1.0
RECOVER_SECONDS = 5.0
PURGE_EVERY_TICKS = 3600
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """An actor that is called without arguments every so often."""

    name: str
    every: timedelta
    actor_name: str
    queue_name: str = DEFAULT_QUEUE


_registry: dict[str, PeriodicJob] = {}


def periodic(*, name: str, every: timedelta) -> Callable[[dramatiq.Actor[[], Any]], dramatiq.Actor[[], Any]]:
    """Have an actor without arguments called every `every`, by whichever worker notices first.

        @periodic(name="webhooks.sweep", every=timedelta(seconds=30))
        @dramatiq.actor(actor_name="webhooks.sweep_events")
        async def sweep_events() -> None: ...

    The first call comes at once. Calls that were missed while no worker ran are made up for by one.
    """

    def register(actor: dramatiq.Actor[[], Any]) -> dramatiq.Actor[[], Any]:
        if every < timedelta(seconds=TICK_SECONDS):
            raise ConfigurationError(f"The periodic job {name} is to run more than once a second.")
        _registry[name] = PeriodicJob(name, every, actor.actor_name, actor.queue_name)
        return actor

    return register


def periodic_jobs() -> tuple[PeriodicJob, ...]:
    """All that were registered in this process."""
    return tuple(_registry.values())


class Ticker(Middleware):
    """Ticks once a second on Dramatiq's loop, with a connection of its own; stands after AsyncIO."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._ticking: asyncio.Task[None] | None = None

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Start to tick."""
        _loop_thread().run_coroutine(self._start(broker))

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Stop before the loop does."""
        _loop_thread().run_coroutine(self._stop())

    async def _start(self, broker: Broker) -> None:
        work = tick_forever(broker, periodic_jobs(), options=self._options)
        self._ticking = asyncio.create_task(work)
        self._ticking.add_done_callback(_report_end)

    async def _stop(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait([self._ticking], timeout=STOP_SECONDS)


def _report_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.critical("this worker's schedule has stopped: %s", describe_failure(error))


def _loop_thread() -> EventLoopThread:
    thread = get_event_loop_thread()
    if thread is None:
        raise WorkerNotReady("Ticker must come after AsyncIO in the list of middleware.")
    return thread


async def tick_forever(broker: Broker, jobs: Iterable[PeriodicJob], *, options: Mapping[str, Any]) -> None:
    """Tick until cancelled, through any number of lost connections."""
    known = {job.name: job for job in jobs}
    while True:
        connection: asyncpg.Connection[asyncpg.Record] | None = None
        try:
            connection = await connect(options, name="ticker")
            await remember(connection, known.values())
            await _tick_on(connection, broker, known)
        except (*DATABASE_FAILED, QueueUnavailable) as error:
            logger.warning("the schedule paused: %s", name_failure(error))
        finally:
            await disconnect(connection)
        await asyncio.sleep(RECOVER_SECONDS)


async def remember(connection: asyncpg.Connection[asyncpg.Record], jobs: Iterable[PeriodicJob]) -> None:
    """Write the jobs into the schedule. A job that is new, or is to run more often, is due sooner."""
    ordered = sorted(jobs, key=lambda job: job.name)
    names = [job.name for job in ordered]
    seconds = [int(job.every.total_seconds()) for job in ordered]
    await connection.execute(statements.KNOW_SCHEDULE, names, seconds)


async def tick(
    connection: asyncpg.Connection[asyncpg.Record], broker: Broker, known: Mapping[str, PeriodicJob]
) -> list[str]:
    """Enqueue what is due and move it on, in one transaction; returns the names.

    With RabbitMQ and Redis the jobs are sent before the commit, while the rows are locked: a crash in between
    calls an actor twice, and never not at all.
    """
    async with connection.transaction():
        due = [row["name"] for row in await connection.fetch(statements.TAKE_DUE, list(known))]
        jobs = [known[name] for name in due]
        messages = [build_message(job.actor_name, queue_name=job.queue_name) for job in jobs]
        if isinstance(broker, PostgresBroker):
            await enqueue_in(connection, *messages)
        elif messages:
            await enqueue(broker, *messages)
    return due


async def _tick_on(
    connection: asyncpg.Connection[asyncpg.Record], broker: Broker, known: Mapping[str, PeriodicJob]
) -> None:
    ticks = 0
    while True:
        if ticks % PURGE_EVERY_TICKS == 0:
            await purge_dead(connection)
        await tick(connection, broker, known)
        ticks += 1
        await asyncio.sleep(TICK_SECONDS)
