"""Rings workers about rows: in the transaction where the broker allows it, else right after the commit."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import dramatiq
from dramatiq.broker import Broker

from portal.errors import PortalError
from portal.queue.broker import current_broker
from portal.queue.connections import Executor
from portal.queue.counters import count
from portal.queue.failures import name_failure
from portal.queue.jobs import enqueue_in
from portal.queue.messages import DEFAULT_QUEUE, Identifier, build_message
from portal.queue.postgres import PostgresBroker

logger = logging.getLogger("portal.queue")

DEADLINE_SECONDS = 2.0
SENDERS = 2
MOST_WAITING = 200


class QueueUnavailable(PortalError):
    """The broker did not take a job."""

    code = "QUEUE_UNAVAILABLE"
    status_code = 503


class Doorbell:
    """Wraps a transaction and rings for what it committed.

        async with Doorbell() as bell:
            async with transaction() as tx:
                event_id = ...
                await bell.ring(tx.connection, "stripe.handle_event", event_id)

    With PostgreSQL as the broker the job is a row of that transaction. With RabbitMQ or Redis the ring waits
    until the block ends without an error, goes out in a thread and takes two seconds at most; a failure is
    counted and logged but not raised, for the sweeper rings again for whatever was missed.
    Actors are named, not imported: the web process need not load them.
    """

    def __init__(self, broker: Broker | None = None, *, queue_name: str = DEFAULT_QUEUE) -> None:
        self._broker = broker or current_broker()
        self._queue_name = queue_name
        self._after_commit: list[_Ring] = []

    @property
    def transactional(self) -> bool:
        """Whether a job can be written by the caller's own SQL (`portal.queue.statements.RING_FRESH`)."""
        return isinstance(self._broker, PostgresBroker)

    async def ring(self, connection: Executor, actor_name: str, *ids: Identifier, delay_ms: int = 0) -> None:
        """Have the actor called with these ids once the connection's transaction has committed.

        Raises:
            NonIdArgument: something among `ids` is no id.
        """
        if self.transactional:
            message = build_message(actor_name, *ids, queue_name=self._queue_name)
            await enqueue_in(connection, message, delay_ms=delay_ms)
        else:
            self.ring_after(actor_name, *ids, delay_ms=delay_ms)

    def ring_after(self, actor_name: str, *ids: Identifier, delay_ms: int = 0) -> None:
        """Have the actor called once the block has ended without an error, whatever the broker."""
        message = build_message(actor_name, *ids, queue_name=self._queue_name)
        self._after_commit.append(_Ring(message, delay_ms))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        rings, self._after_commit = self._after_commit, []
        if error is not None or not rings:
            return
        if reason := await _send(self._broker, rings):
            for ring in rings:
                count("ring_missed", ring.message.actor_name)
            logger.warning(
                "%d rings missed, the first for %s: %s", len(rings), rings[0].message.actor_name, reason
            )


@dataclass(frozen=True, slots=True)
class _Ring:
    message: dramatiq.Message[Any]
    delay_ms: int


async def enqueue(broker: Broker, *messages: dramatiq.Message[Any], delay_ms: int = 0) -> None:
    """Enqueue outside any transaction without blocking the event loop, as Dramatiq's `send` would.

    Raises:
        QueueUnavailable: the broker refused, or did not take them in time (they may still arrive).
    """
    rings = [_Ring(message, delay_ms) for message in messages]
    if reason := await _send(broker, rings):
        raise QueueUnavailable(f"The queue did not take the job: {reason}.", hint="Try again in a minute.")


async def _send(broker: Broker, rings: list[_Ring]) -> str | None:
    """Send within the deadline; returns why that did not succeed. What is late may still arrive."""
    sending = _senders().submit(broker, rings)
    if sending is None:
        return "too many wait already"
    future = asyncio.wrap_future(sending)
    done, _ = await asyncio.wait({future}, timeout=DEADLINE_SECONDS)
    if not done:
        future.cancel()
        return f"no answer within {DEADLINE_SECONDS:.0f} s"
    error = future.exception()
    return name_failure(error) if error else None


class _Senders:
    """A few threads of their own: a frozen broker must not use up the threads of the event loop."""

    def __init__(self) -> None:
        self._executor = concurrent.futures.ThreadPoolExecutor(SENDERS, thread_name_prefix="doorbell")
        self._room = threading.BoundedSemaphore(MOST_WAITING)

    def submit(self, broker: Broker, rings: list[_Ring]) -> concurrent.futures.Future[None] | None:
        """Have them sent, or None when too many wait."""
        if not self._room.acquire(blocking=False):
            return None
        future = self._executor.submit(_enqueue_all, broker, rings)
        future.add_done_callback(lambda _: self._room.release())
        return future


@functools.cache
def _senders() -> _Senders:
    return _Senders()


def _enqueue_all(broker: Broker, rings: list[_Ring]) -> None:
    for ring in rings:
        broker.enqueue(ring.message, delay=ring.delay_ms or None)
