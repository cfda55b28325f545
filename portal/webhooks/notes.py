"""What deliveries leave behind beside events, written behind the answers: refusals, and uses of secrets.

They gather in memory, so that refusing stays cheap and accepting costs no second write.
"""

from __future__ import annotations

import logging
from datetime import datetime

from portal.contract.errors import RefusalReason
from portal.contract.secrets import Secret
from portal.sync.gathering import HourCounts, LaterWrites
from portal.webhooks.uses import SecretUses

logger = logging.getLogger("portal.webhooks")
_refusals = HourCounts("delivery_refusal", word="reason", number="refused")
_uses = SecretUses()


def note_refusal(account_id: int, reason: RefusalReason, at: datetime) -> None:
    """Count a delivery that was refused at a connection's address."""
    if _refusals.add(account_id, reason, at):
        # A line for each would cost more than the refusal; how many there were is in the table.
        logger.info("deliveries to connection %s are refused: %s", account_id, reason)
    _writes.soon()


def note_use(account_id: int, secret: Secret, at: datetime) -> None:
    """Note that an accepted delivery was signed with this secret."""
    if _uses.add(account_id, secret, at):
        _writes.soon()


async def flush_notes() -> None:
    """Write down what was noted until now."""
    await _writes.flush()


def forget_notes() -> None:
    """Drop what was noted, for tests that empty the tables."""
    _refusals.clear()
    _uses.clear()


async def stop_notes() -> None:
    """Stop writing in the background and write the last ones; called when the process ends."""
    await _writes.stop()


async def _write() -> None:
    await _refusals.store()
    await _uses.store()


_writes = LaterWrites("some refused deliveries", _write, waits=lambda: bool(_refusals) or bool(_uses))
