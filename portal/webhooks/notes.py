"""What deliveries leave behind beside events, written behind the answers: refusals, and uses of secrets.

They gather in memory, so that refusing stays cheap and accepting costs no second write.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from datetime import datetime

from portal.contract.errors import RefusalReason
from portal.contract.secrets import Secret
from portal.database.transaction import DatabaseBusy
from portal.queue.connections import DATABASE_FAILED
from portal.webhooks.refusals import RefusalCounts
from portal.webhooks.uses import SecretUses

EVERY_SECONDS = 2.0
LAST_SECONDS = 3.0
"""How long the end of a process may wait for the last ones."""
logger = logging.getLogger("portal.webhooks")
_counts, _uses = RefusalCounts(), SecretUses()
_writers: set[asyncio.Task[None]] = set()


def note_refusal(account_id: int, reason: RefusalReason, at: datetime) -> None:
    """Count a delivery that was refused at a connection's address."""
    _counts.add(account_id, reason, at)
    _write_later()


def note_use(account_id: int, secret: Secret, at: datetime) -> None:
    """Note that an accepted delivery was signed with this secret."""
    if _uses.add(account_id, secret, at):
        _write_later()


async def flush_notes() -> None:
    """Write down what was noted until now."""
    try:
        async with asyncio.timeout(LAST_SECONDS):
            await _write()
    except (DatabaseBusy, *DATABASE_FAILED, TimeoutError) as error:
        logger.warning("some refused deliveries are not counted yet: %s", type(error).__name__)


def forget_notes() -> None:
    """Drop what was noted, for tests that empty the tables."""
    _counts.clear()
    _uses.clear()


async def stop_notes() -> None:
    """Stop writing in the background and write the last ones; called when the process ends."""
    writers = list(_writers)
    for writer in writers:
        writer.cancel()
    if writers:
        await asyncio.wait(writers, timeout=LAST_SECONDS)
    await flush_notes()


def _write_later() -> None:
    if _writers:
        return
    # In a context of its own: the delivery's may hold a connection that goes back to the pool.
    writer = asyncio.get_running_loop().create_task(_write_all(), context=contextvars.Context())
    _writers.add(writer)
    writer.add_done_callback(_ended)


def _ended(writer: asyncio.Task[None]) -> None:
    _writers.discard(writer)
    if not writer.cancelled() and (error := writer.exception()):
        logger.error("what deliveries left behind is not written: %s", type(error).__name__)


async def _write_all() -> None:
    """Write until nothing is left; what fails is kept for the next round."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        await flush_notes()
        if not _counts and not _uses:
            return


async def _write() -> None:
    await _counts.store()
    await _uses.store()
