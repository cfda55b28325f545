"""What happens to connections without anybody asking: is the key taken, is everything in order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import dramatiq

from portal.accounts import alerts, check_runs, overlaps, rechecks
from portal.accounts.services import connected_accounts
from portal.database.transaction import transaction
from portal.errors import PortalError
from portal.queue.rings import ring
from portal.queue.schedule import periodic

VERIFY_ACTOR = "portal.verify_account"
RECHECK_ACTOR = "portal.recheck_account"
OVERLAP_ACTOR = "portal.end_overlap"


@periodic(name="portal.verify_accounts", every=timedelta(seconds=60))
@dramatiq.actor(actor_name="portal.verify_accounts", max_retries=0)
async def verify_accounts() -> None:
    """Once a minute: have every connection's key shown to its provider."""
    await _ring_each(VERIFY_ACTOR)


@dramatiq.actor(actor_name=VERIFY_ACTOR, max_retries=0, time_limit=60_000)
async def verify_account(account_id: int) -> None:
    """Ask the provider whether it takes the key."""
    await rechecks.verify_account(account_id)


@periodic(name="portal.recheck_accounts", every=timedelta(days=1))
@dramatiq.actor(actor_name="portal.recheck_accounts", max_retries=0)
async def recheck_accounts() -> None:
    """Once a day: have every connection checked from end to end, and forget what nobody goes on with."""
    await _ring_each(RECHECK_ACTOR)
    await check_runs.forget_old_runs()


@periodic(name="portal.recheck_changed_accounts", every=timedelta(seconds=15))
@dramatiq.actor(actor_name="portal.recheck_changed_accounts", max_retries=0)
async def recheck_changed_accounts() -> None:
    """Have the connections checked whose account the provider says has changed."""
    async with transaction() as tx:
        for account_id in await alerts.checks_due(tx.connection):
            await ring(tx.connection, RECHECK_ACTOR, account_id)


@dramatiq.actor(actor_name=RECHECK_ACTOR, max_retries=0, time_limit=120_000)
async def recheck_account(account_id: int) -> None:
    """All checks of one connection. What has to be made at the provider for a proof is deleted again."""
    async with transaction() as tx:
        await alerts.begin_checks(tx.connection, account_id)
    try:
        await rechecks.check_account(account_id, thorough=False)
    except PortalError as error:
        rechecks.logger.info("connection %s was not checked: %s", account_id, error.code)


@periodic(name="portal.end_overlaps", every=timedelta(seconds=60))
@dramatiq.actor(actor_name="portal.end_overlaps", max_retries=0)
async def end_overlaps() -> None:
    """Once a minute: have replaced signing secrets erased whose day is over."""
    await _ring_all(OVERLAP_ACTOR, await overlaps.overlaps_over())


@dramatiq.actor(actor_name=OVERLAP_ACTOR, max_retries=0, time_limit=60_000)
async def end_overlap(account_id: int) -> None:
    """Erase one connection's replaced secret, and delete the endpoint that it belonged to."""
    await overlaps.end_overlap(account_id)


async def _ring_each(actor_name: str) -> None:
    await _ring_all(actor_name, [account.id for account in await connected_accounts()])


async def _ring_all(actor_name: str, account_ids: Sequence[int]) -> None:
    async with transaction() as tx:
        for account_id in account_ids:
            await ring(tx.connection, actor_name, account_id)
