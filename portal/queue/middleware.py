"""The middleware of the portal, the same with every broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import dramatiq
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.broker import Broker, MessageProxy
from dramatiq.middleware import (
    AsyncIO,
    CurrentMessage,
    Middleware,
    Retries,
    ShutdownNotifications,
    TimeLimit,
)
from dramatiq.worker import Worker

from portal.queue.counters import count
from portal.queue.failures import WorkerNotReady, describe_failure, name_failure
from portal.queue.messages import refuse_other_than_ids

MAX_RETRIES = 3
MIN_BACKOFF_MS = 1_000
MAX_BACKOFF_MS = 30_000
TIME_LIMIT_MS = 120_000
OPEN_SECONDS = 60.0
OPEN_AGAIN_SECONDS = 0.5

Step = Callable[[], Coroutine[Any, Any, None]]
"""Opens or closes something, on Dramatiq's loop."""


def build_middleware() -> list[Middleware]:
    """All of it, in order. Dramatiq calls `before_*` hooks from the first, `after_*` hooks from the last.

    Retries are few, for the row behind a job counts its own attempts and knows when it is due again. There is
    no Callbacks: it sends whole messages and error texts as arguments, which IdsOnly refuses.
    """
    return [
        IdsOnly(),
        TimeLimit(time_limit=TIME_LIMIT_MS),
        ShutdownNotifications(),
        Retries(max_retries=MAX_RETRIES, min_backoff=MIN_BACKOFF_MS, max_backoff=MAX_BACKOFF_MS),
        Scrub(),
        CurrentMessage(),
        Counters(),
        AsyncIO(),
    ]


class IdsOnly(Middleware):
    """Refuses to enqueue anything but ids, so that no secret and no stale copy travels in a message."""

    def before_enqueue(self, broker: Broker, message: dramatiq.Message[Any], delay: int) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Raises NonIdArgument, which Dramatiq passes on to the caller."""
        refuse_other_than_ids(message)


class Scrub(Middleware):
    """Replaces the traceback that Retries stores in the message by names and places.

    It stands after Retries in the list, so its `after_` hook runs first and has the words ready.
    """

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002 - Dramatiq's signature
        message: MessageProxy,
        *,
        result: object = None,  # noqa: ARG002 - Dramatiq's signature
        exception: BaseException | None = None,
    ) -> None:
        """Note what failed, in words that may be stored."""
        if exception is not None:
            message.options["failure"] = describe_failure(exception)

    def before_enqueue(self, broker: Broker, message: dramatiq.Message[Any], delay: int) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Drop the text of the traceback, which quotes the error's message."""
        message.options.pop("traceback", None)


class Counters(Middleware):
    """Counts what is enqueued, done and failed, for the metrics page."""

    def after_enqueue(self, broker: Broker, message: dramatiq.Message[Any], delay: int) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Retries count too."""
        count("enqueued", message.actor_name)

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002 - Dramatiq's signature
        message: MessageProxy,
        *,
        result: object = None,  # noqa: ARG002 - Dramatiq's signature
        exception: BaseException | None = None,
    ) -> None:
        """Done or failed, by actor."""
        count("processed" if exception is None else "failed", message.actor_name)


class Resources(Middleware):
    """Opens what async actors share, on Dramatiq's loop, before the first job; closes it after the last.

    It must stand after AsyncIO in the list: the loop has to exist first and to end last.
    """

    def __init__(self, open_: Step, close: Step) -> None:
        self._open = open_
        self._close = close

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Try for a minute.

        Raises:
            WorkerNotReady: it did not open. Without it every job would fail, or open a connection of its own.
        """
        self._on_loop(self._open_within_deadline())

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Workers have stopped; their loop has not."""
        self._on_loop(self._close())

    async def _open_within_deadline(self) -> None:
        deadline = time.monotonic() + OPEN_SECONDS
        while True:
            failure = await self._try_to_open()
            if failure is None:
                return
            if time.monotonic() > deadline:
                raise WorkerNotReady(
                    f"The worker has no database: {name_failure(failure)}.",
                    hint="Check PORTAL_DATABASE_URL and that PostgreSQL runs; `portal doctor` tells more.",
                )
            await asyncio.sleep(OPEN_AGAIN_SECONDS)

    async def _try_to_open(self) -> BaseException | None:
        opening = asyncio.ensure_future(self._open())
        await asyncio.wait([opening])
        return opening.exception()

    def _on_loop(self, work: Awaitable[None]) -> None:
        thread = get_event_loop_thread()
        if thread is None:
            raise WorkerNotReady("Resources must come after AsyncIO in the list of middleware.")
        thread.run_coroutine(work)
