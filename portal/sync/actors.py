"""The outbox's periodic jobs."""

from __future__ import annotations

from datetime import timedelta

import dramatiq

from portal.database.transaction import transaction
from portal.queue.schedule import periodic
from portal.sync.claiming import release_due
from portal.sync.counts import delete_old_counts


@periodic(name="portal.forget_counts", every=timedelta(days=1))
@dramatiq.actor(actor_name="portal.forget_counts", max_retries=0)
async def forget_counts() -> None:
    """Delete counts of hours that nobody looks back at."""
    async with transaction() as tx:
        await delete_old_counts(tx.connection)


@periodic(name="portal.sweep_outbox", every=timedelta(seconds=10))
@dramatiq.actor(actor_name="portal.sweep_outbox", max_retries=0)
async def sweep_outbox() -> None:
    """Ring again for what a lost message or a killed worker left behind."""
    async with transaction() as tx:
        await release_due(tx.connection)
