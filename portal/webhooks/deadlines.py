"""Deadlines that cost an entry in a queue, not a timer each: nearly none of them is ever reached."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class Deadlines:
    """Deadlines of one length. They end in the order in which they began, so one timer serves all.

    with deadlines.begin():
        ...  # TimeoutError if it takes longer; a cancellation from elsewhere stays one
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._begun: deque[Deadline] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> Deadline:
        """One more, for the running task."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._timer = loop, None
            self._begun.clear()
        self._drop_ended()
        deadline = Deadline(loop.time() + self.seconds)
        self._begun.append(deadline)
        if self._timer is None:
            self._timer = loop.call_at(deadline.at, self._strike)
        return deadline

    def _drop_ended(self) -> None:
        while self._begun and self._begun[0].task is None:
            self._begun.popleft()

    def _strike(self) -> None:
        """End what is due, and wait for the next one that has not ended by itself."""
        loop = asyncio.get_running_loop()
        self._drop_ended()
        while self._begun and self._begun[0].at <= loop.time():
            self._begun.popleft().expire()
            self._drop_ended()
        self._timer = loop.call_at(self._begun[0].at, self._strike) if self._begun else None


class Deadline:
    """One of them, as a block of the task that began it."""

    __slots__ = ("_cancelling", "_expired", "at", "task")

    def __init__(self, at: float) -> None:
        self.at = at
        self.task = asyncio.current_task()
        self._cancelling = self.task.cancelling() if self.task else 0
        self._expired = False

    def expire(self) -> None:
        """Break the block off."""
        if self.task is not None:
            self._expired = True
            self.task.cancel()

    def __enter__(self) -> None:
        """It runs since it was begun."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self.task = self.task, None
        # Somebody else may have cancelled the task as well: then it stays cancelled.
        if self._expired and task and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
