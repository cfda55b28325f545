"""Loads by key: those who ask at the same time are answered by one query."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from portal.database.transaction import DatabaseBusy

Found = TypeVar("Found")


class TogetherLoads(Generic[Found]):
    """Nobody waits for company: the first to come is asked for at once, those who come meanwhile are next.

    Nobody is given what was loaded before they asked.
    """

    def __init__(self, load: Callable[[Sequence[int]], Awaitable[Mapping[int, Found]]]) -> None:
        self._load = load
        self._waiting: dict[int, asyncio.Future[Found | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: int) -> Found | None:
        """What is stored under this key; None: nothing.

        Raises:
            DatabaseBusy: or whatever else the load raises.
        """
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._waiting = {}
            # In a context of its own: the caller's may hold a connection, and the caller may be cancelled.
            self._task = loop.create_task(self._load_all(), context=contextvars.Context())
        answer = self._waiting.setdefault(key, loop.create_future())
        return await asyncio.shield(answer)

    async def _load_all(self) -> None:
        # Nothing is awaited between the last look and the end: nobody can be left behind.
        while self._waiting:
            taken, self._waiting = self._waiting, {}
            try:
                found = await self._load(list(taken))
            except BaseException as error:
                known = error if isinstance(error, Exception) else DatabaseBusy("The process ends.")
                for answer in taken.values():
                    answer.set_exception(known)
                    answer.exception()  # whoever asked may have left
                if not isinstance(error, Exception):
                    raise
            else:
                for key, answer in taken.items():
                    answer.set_result(found.get(key))
