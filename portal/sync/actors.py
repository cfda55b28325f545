"""The outbox's periodic job."""

from __future__ import annotations

from datetime import timedelta

import dramatiq

from portal.database.transaction import transaction
from portal.queue.schedule import periodic
from portal.sync import services


@periodic(name="portal.sweep_outbox", every=timedelta(seconds=10))
@dramatiq.actor(actor_name="portal.sweep_outbox", max_retries=0)
async def sweep_outbox() -> None:
    """Ring again for what a lost message or a killed worker left behind."""
    async with transaction() as tx:
        await services.release_due(tx.connection)
