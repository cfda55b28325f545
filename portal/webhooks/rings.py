"""Rings for committed events at a separate broker, behind the answers: a frozen one delays no delivery."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Sequence

from portal.queue.counters import count
from portal.queue.doorbells import Doorbell

AT_ONCE = 100
MOST_WAITING = 20_000
"""More are not kept: the sweeper rings for whatever was missed."""
LAST_SECONDS = 3.0
"""How long the end of a process may wait for the last ones."""
logger = logging.getLogger("portal.webhooks")
Ring = tuple[str, int]
"""Actor and event."""

_waiting: deque[Ring] = deque()
_ringers: set[asyncio.Task[None]] = set()


def ring_later(rings: Sequence[Ring]) -> None:
    """Ring soon; returns at once, and never fails."""
    room = max(MOST_WAITING - len(_waiting), 0)
    _waiting.extend(rings[:room])
    for actor_name, _ in rings[room:]:
        count("ring_missed", actor_name)
    if all(ringer.done() for ringer in _ringers):
        ringer = asyncio.get_running_loop().create_task(_ring_all(), context=contextvars.Context())
        _ringers.add(ringer)
        ringer.add_done_callback(_ended)


async def stop_rings() -> None:
    """Ring for the last ones; called when the process ends."""
    if _ringers:
        _, late = await asyncio.wait(_ringers, timeout=LAST_SECONDS)
        for ringer in late:
            ringer.cancel()


def _ended(ringer: asyncio.Task[None]) -> None:
    _ringers.discard(ringer)
    if not ringer.cancelled() and (error := ringer.exception()):
        logger.error("rings were missed: %s", type(error).__name__)


async def _ring_all() -> None:
    while _waiting:
        # A broker that does not answer costs each round two seconds, and is logged and counted there.
        async with Doorbell() as bell:
            for _ in range(min(len(_waiting), AT_ONCE)):
                actor_name, event_id = _waiting.popleft()
                bell.ring_after(actor_name, event_id)
