"""A run is one worker's, and yet its heartbeat and people get through while pages are written."""

from __future__ import annotations

import asyncio

import pytest

from portal.audit.services import SYSTEM
from portal.database.transaction import connection, transaction
from portal.exchange.run_leases import LeaseLost, beat, claim_run, hold_lease
from portal.exchange.runs import pause_run
from tests.exchange.listings import begin, forget_lease


async def test_neither_the_heartbeat_nor_a_wish_waits_for_the_pages_that_are_written(account_id: int) -> None:
    run = await claim_run(await begin(account_id))
    assert run is not None
    async with connection() as writing, writing.transaction():
        await hold_lease(writing, run)
        async with asyncio.timeout(2):
            await beat(run, 1.0)
            await pause_run(run.id, actor=SYSTEM)
            assert await beat(run, 1.0) == "pause"


async def test_a_run_is_taken_over_only_when_the_page_that_is_written_is_done(account_id: int) -> None:
    run = await claim_run(await begin(account_id))
    assert run is not None
    await forget_lease(run.id)
    async with connection() as writing, writing.transaction():
        await hold_lease(writing, run)
        taking = asyncio.create_task(claim_run(run.id))
        _, waits = await asyncio.wait({taking}, timeout=0.2)
        assert waits
    assert await taking is not None
    async with transaction() as tx:
        with pytest.raises(LeaseLost):
            await hold_lease(tx.connection, run)
