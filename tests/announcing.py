"""What open pages are told while something happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from portal.database.engine import connection_options
from portal.settings import current_settings
from portal.web.live import CHANNEL


@asynccontextmanager
async def announcements() -> AsyncIterator[list[str]]:
    """The topics that were announced by the end of the block, in their order."""
    told: list[str] = []
    held = await asyncpg.connect(**connection_options(current_settings(), name="portal-tests"))
    try:
        await held.add_listener(CHANNEL, lambda _held, _pid, _channel, topic: told.append(str(topic)))
        yield told
        # What was committed before comes no later than the answer to a question.
        await held.execute("SELECT")
    finally:
        await held.close(timeout=5)
