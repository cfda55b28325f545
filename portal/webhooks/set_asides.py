"""Failed events that a person takes off the list of what waits, without handling them."""

from __future__ import annotations

from portal.audit.services import Actor, record
from portal.database.transaction import transaction


async def set_aside(event_id: int, *, actor: Actor) -> None:
    """Let a failed event count as ignored. One that is not failed (any more) stays as it is."""
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            UPDATE webhook_event SET state = 'ignored', outcome = $2, processed_at = now()
            WHERE id = $1 AND state = 'parked' RETURNING mode, type, external_id
            """,
            event_id,
            f"Set aside by {actor.name}.",
        )
        if row is None:
            return
        await record(
            tx.connection,
            actor=actor,
            action="event.set_aside",
            words=f"Set {row['type']} {row['external_id']} aside.",
            subject=("webhook_event", event_id),
            mode=row["mode"],
        )
