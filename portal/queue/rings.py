"""Rings from inside a transaction, whichever broker carries them: nothing rings for what was rolled back."""

from __future__ import annotations

from portal.database.transaction import Connection, after_commit
from portal.queue.doorbells import Doorbell
from portal.queue.messages import Identifier


async def ring(connection: Connection, actor_name: str, *ids: Identifier, delay_ms: int = 0) -> None:
    """Have the actor called with these ids once the running transaction has committed.

    With PostgreSQL as the broker the job is a row of the transaction; else it is sent right after the commit,
    and the sweeper makes up for a ring that the broker did not take.
    """
    bell = Doorbell()
    if bell.transactional:
        await bell.ring(connection, actor_name, *ids, delay_ms=delay_ms)
        return

    async def send() -> None:
        async with bell:
            bell.ring_after(actor_name, *ids, delay_ms=delay_ms)

    await after_commit(send)


async def ring_now(actor_name: str, *ids: Identifier) -> None:
    """Ring for what is committed already. A broker that does not answer costs two seconds, not an error."""
    async with Doorbell() as bell:
        bell.ring_after(actor_name, *ids)


def rings_in_statement() -> bool:
    """Whether a statement of the caller's own can hold the ring (`portal.queue.statements.RING_FRESH`)."""
    return Doorbell().transactional
