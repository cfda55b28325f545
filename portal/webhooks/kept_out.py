"""Events that must have no effect here: the facts about them stay, what they hold does not."""

from __future__ import annotations

from portal.database.transaction import Connection


async def forget_rejected_bodies(held: Connection) -> int:
    """Empty the bodies of rejected events: they may be another account's. Returns how many there were."""
    done: str = await held.execute(
        "UPDATE webhook_event SET body = '' WHERE state = 'rejected' AND octet_length(body) > 0"
    )
    return int(done.rpartition(" ")[2])
