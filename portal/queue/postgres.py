"""A Dramatiq broker whose queue is a table in PostgreSQL."""

from __future__ import annotations

import os
import time
import uuid
import weakref
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import dramatiq
from dramatiq.broker import Broker, MessageProxy
from dramatiq.errors import ConnectionClosed, QueueJoinTimeout, QueueNotFound
from dramatiq.middleware import Middleware

from portal.queue import statements
from portal.queue.connections import DATABASE_FAILED, KeptConnection
from portal.queue.consumers import ConsumerPlan, PostgresConsumer
from portal.queue.failures import name_failure
from portal.queue.jobs import JobMessage, columns_of
from portal.queue.leases import Leases
from portal.queue.loops import LoopThread

T = TypeVar("T")

DEFAULT_LEASE = timedelta(seconds=60)
ENQUEUE_SECONDS = 15.0
JOIN_POLL_SECONDS = 0.02

_abandoned: list[object] = []
"""What a forked child inherited. Kept, for collecting it would close the parent's loop under its feet."""


class PostgresBroker(Broker):
    """Jobs are delivered at least once. A worker's death hands its jobs over when their lease ends.

    A process that only enqueues holds one connection and one thread; a worker one more connection a queue.
    To enqueue inside a transaction of your own, use `portal.queue.jobs.enqueue_in`.

    Args:
        options: keyword arguments for `asyncpg.connect`.
        lease: how long a job of a silent worker stays hidden. Live workers renew it every third of that.
        middleware: all middleware, in Dramatiq's order.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        lease: timedelta = DEFAULT_LEASE,
        middleware: list[Middleware] | None = None,
    ) -> None:
        super().__init__(middleware=middleware)
        self.lease = lease
        self._options = options
        self._start_afresh()
        _brokers.add(self)

    def declare_queue(self, queue_name: str) -> None:
        """Know the queue. There is no second queue for delays: the row carries its time."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = True
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30000) -> PostgresConsumer:
        """Start to consume; `timeout` is the idle wait in milliseconds."""
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)  # type: ignore[no-untyped-call]  # untyped there
        plan = ConsumerPlan(queue_name, prefetch, timeout / 1000, self.lease.total_seconds())
        leases = self._leases.setdefault(queue_name, Leases(self._owner))
        return PostgresConsumer(plan, leases, loops=self._loops, options=self._options)

    def enqueue(
        self, message: dramatiq.Message[Any] | MessageProxy, *, delay: int | None = None
    ) -> dramatiq.Message[Any]:
        """Dramatiq's own way in, which blocks until the row is on disk; in an event loop use `doorbells`.

        A message that is being processed is not written: it is put off, and acknowledging it says so.

        Raises:
            ConnectionClosed: PostgreSQL did not take it in time.
            NonIdArgument: it carries something other than ids.
        """
        self.emit_before("enqueue", message, delay)
        if isinstance(message, JobMessage):
            message.retry_after_ms = delay or 0
        else:
            self._run(self._writer.fetch(statements.ENQUEUE, *columns_of([message]), delay or 0))
        self.emit_after("enqueue", message, delay)
        return message  # type: ignore[return-value]  # a proxy stands in for its message

    def flush(self, queue_name: str) -> None:
        """Drop all jobs of the queue, delayed and running ones too."""
        self._run(self._writer.fetch(statements.FLUSH, queue_name))

    def flush_all(self) -> None:
        """Drop all jobs of the declared queues."""
        for queue_name in self.get_declared_queues():
            self.flush(queue_name)

    def join(self, queue_name: str, *, timeout: int | None = None) -> None:
        """Wait until the queue is empty; for tests.

        Raises:
            QueueJoinTimeout: it was not, `timeout` milliseconds later.
        """
        deadline = time.monotonic() + timeout / 1000 if timeout else None
        while self._run(self._writer.fetch(statements.HAS_JOBS, queue_name))[0][0]:
            if deadline and time.monotonic() > deadline:
                raise QueueJoinTimeout(queue_name)  # type: ignore[no-untyped-call]  # same
            time.sleep(JOIN_POLL_SECONDS)

    def close(self) -> None:
        """Close the connection and end the thread. The broker may be used again, which opens them again."""
        if self._loops.running:
            try:
                self._run(self._writer.close())
            finally:
                self._loops.stop()

    def _start_afresh(self) -> None:
        self._owner = uuid.uuid4()
        self._leases: dict[str, Leases] = {}
        self._loops = LoopThread("portal-queue")
        self._writer = KeptConnection(self._options, name="enqueue")

    def _after_fork(self) -> None:
        _abandoned.append((self._loops, self._writer, self._leases))
        self._start_afresh()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._loops.run(work, timeout=ENQUEUE_SECONDS)
        except DATABASE_FAILED as error:
            raise ConnectionClosed(name_failure(error)) from None  # type: ignore[no-untyped-call]  # same


_brokers: weakref.WeakSet[PostgresBroker] = weakref.WeakSet()


def _forget_parent() -> None:
    for broker in list(_brokers):
        broker._after_fork()  # noqa: SLF001 - this module's own class


os.register_at_fork(after_in_child=_forget_parent)
