"""Runs over everything of an account, and the walks that look for what was never delivered."""

from __future__ import annotations

from datetime import timedelta

import dramatiq

from portal.database.transaction import transaction
from portal.exchange import nights, walks
from portal.exchange.health import watch_all
from portal.exchange.run_work import work_on_run as work_on_one
from portal.exchange.runs import WORK_ON_RUN, ring_for_runs
from portal.queue.schedule import periodic


@dramatiq.actor(actor_name=WORK_ON_RUN, max_retries=0, notify_shutdown=True)
async def work_on_run(run_id: int) -> None:
    """Work on a run for a while; it rings itself again."""
    await work_on_one(run_id)


@dramatiq.actor(actor_name=walks.WALK_EVENTS, max_retries=0)
async def walk_events(account_id: int) -> None:
    """Store what the provider lists and never delivered."""
    await walks.walk_account(account_id)


@periodic(name="portal.sweep_runs", every=timedelta(seconds=10))
@dramatiq.actor(actor_name="portal.sweep_runs", max_retries=0)
async def sweep_runs() -> None:
    """Ring again for runs that a lost message or a killed worker left behind."""
    async with transaction() as tx:
        await ring_for_runs(tx.connection)


@periodic(name="portal.start_walks", every=timedelta(seconds=30))
@dramatiq.actor(actor_name="portal.start_walks", max_retries=0)
async def start_walks() -> None:
    """Ring for the accounts whose next walk is due, each in its own minute."""
    async with transaction() as tx:
        await walks.ring_for_walks(tx.connection)


@periodic(name="portal.start_comparisons", every=timedelta(minutes=5))
@dramatiq.actor(actor_name="portal.start_comparisons", max_retries=0)
async def start_comparisons() -> None:
    """Compare every account once a night."""
    await nights.start_due()


@periodic(name="portal.watch_health", every=timedelta(minutes=1))
@dramatiq.actor(actor_name="portal.watch_health", max_retries=0)
async def watch_health() -> None:
    """Notice what is wrong with a connection, and what is well again."""
    async with transaction() as tx:
        await watch_all(tx.connection)
