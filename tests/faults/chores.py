"""Runs beside a portal to do what needs its own services: `python -m tests.faults.chores WHAT …`."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Awaitable, Callable

from plugins.stripe.plugin import StripePlugin
from portal.accounts.disconnections import disconnect
from portal.audit.services import SYSTEM, verify
from portal.database.engine import close_pool, open_pool
from portal.database.transaction import connection
from portal.queue.broker import build_broker
from portal.queue.messages import build_message
from portal.settings import current_settings
from tests.builders import make_invoice


async def order(number: str) -> None:
    """Finalise so many invoices, and ring twenty times for each task that follows from it."""
    made = [await make_invoice() for _ in range(int(number))]
    async with connection() as held:
        await held.execute(
            """
            INSERT INTO portal_job (actor_name, args)
            SELECT 'stripe.run_sync_task', jsonb_build_array(t.id) FROM sync_task t, generate_series(1, 20)
            WHERE t.kind = 'publish_invoice' AND t.subject_id = ANY($1::bigint[])
            """,
            made,
        )
    print(*made)  # noqa: T201 - it is asked for


async def part() -> None:
    """End the connection, as its page does."""
    async with connection() as held:
        account_id = await held.fetchval("SELECT id FROM connected_account WHERE state <> 'disconnected'")
    await disconnect(account_id, StripePlugin(), actor=SYSTEM)


async def audit() -> None:
    """Say whether the audit chain is whole."""
    found = await verify()
    print("intact" if found.intact else f"broken at {found.broken_at}: {found.reason}")  # noqa: T201 - as above


async def ring(broker_url: str, *event_ids: str) -> None:
    """Send the message of each event again, past any proxy."""
    broker = build_broker(dataclasses.replace(current_settings(), broker_url=broker_url or None))
    for event_id in event_ids:
        broker.enqueue(build_message("stripe.process_event", int(event_id)))
    broker.close()


CHORES: dict[str, Callable[..., Awaitable[None]]] = {
    "order": order,
    "part": part,
    "audit": audit,
    "ring": ring,
}


async def main(what: str, *words: str) -> None:
    """Open the database around it."""
    await open_pool(name="portal-tests")
    try:
        await CHORES[what](*words)
    finally:
        await close_pool()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
