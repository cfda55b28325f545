"""What happens to connections without anybody asking: is the key taken, is everything in order."""

from __future__ import annotations

from datetime import timedelta

import dramatiq

from portal.accounts import check_runs, rechecks, rotations
from portal.accounts.services import connected_accounts
from portal.database.transaction import transaction
from portal.errors import PortalError
from portal.queue.rings import ring
from portal.queue.schedule import periodic

VERIFY_ACTOR = "portal.verify_account"
RECHECK_ACTOR = "portal.recheck_account"


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


@dramatiq.actor(actor_name=RECHECK_ACTOR, max_retries=0, time_limit=120_000)
async def recheck_account(account_id: int) -> None:
    """All checks of one connection; nothing is made at the provider that people could see."""
    try:
        await rechecks.check_account(account_id, thorough=False)
    except PortalError as error:
        rechecks.logger.info("connection %s was not checked: %s", account_id, error.code)


@periodic(name="portal.end_overlaps", every=timedelta(seconds=60))
@dramatiq.actor(actor_name="portal.end_overlaps", max_retries=0, time_limit=120_000)
async def end_overlaps() -> None:
    """Erase replaced signing secrets whose day is over."""
    await rotations.end_overlaps()


async def _ring_each(actor_name: str) -> None:
    async with transaction() as tx:
        for account in await connected_accounts():
            await ring(tx.connection, actor_name, account.id)
