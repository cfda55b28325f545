"""The inbox's periodic jobs."""

from __future__ import annotations

from datetime import timedelta

import dramatiq

from portal.database.transaction import transaction
from portal.queue.schedule import periodic
from portal.settings import current_settings
from portal.webhooks import processing
from portal.webhooks.kept_out import forget_rejected_bodies
from portal.webhooks.partitions import drop_old_months, make_months
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
    """Delete old counts of refusals, proofs that were left open, and what rejected events hold."""
    async with transaction() as tx:
        await forget_refusals(tx.connection)
        await forget_proofs(tx.connection)
        await forget_rejected_bodies(tx.connection)


@periodic(name="portal.keep_event_months", every=timedelta(hours=6))
@dramatiq.actor(actor_name="portal.keep_event_months", max_retries=0)
async def keep_event_months() -> None:
    """Make the months of the inbox that come, and drop those that are past their time."""
    await make_months()
    await drop_old_months(current_settings().event_months)
