"""The inbox's periodic jobs."""

from __future__ import annotations

from datetime import timedelta

import dramatiq

from portal.database.transaction import transaction
from portal.queue.schedule import periodic
from portal.webhooks import processing
from portal.webhooks.proofs import forget_proofs
from portal.webhooks.refusals import forget_refusals


@periodic(name="portal.sweep_inbox", every=timedelta(seconds=10))
@dramatiq.actor(actor_name="portal.sweep_inbox", max_retries=0)
async def sweep_inbox() -> None:
    """Ring again for what a lost message or a killed worker left behind."""
    async with transaction() as tx:
        await processing.release_due(tx.connection)


@periodic(name="portal.tidy_intake", every=timedelta(hours=1))
@dramatiq.actor(actor_name="portal.tidy_intake", max_retries=0)
async def tidy_intake() -> None:
    """Delete counts of refusals that nobody looks at any more, and proofs that were left open."""
    async with transaction() as tx:
        await forget_refusals(tx.connection)
        await forget_proofs(tx.connection)
