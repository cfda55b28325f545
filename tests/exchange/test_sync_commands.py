"""`portal sync` does what the page does."""

from __future__ import annotations

import asyncio

import pytest

from portal.commands import syncs
from portal.commands.syncs import Wanted, say_runs, start_and_watch
from portal.database.transaction import connection
from portal.errors import NotFound
from tests.exchange import listings
from tests.exchange.listings import work_to_end


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command looks often."""
    monkeypatch.setattr(syncs, "LOOK_SECONDS", 0.01)


async def work_when_asked() -> None:
    while True:
        async with connection() as held:
            run_id = await held.fetchval("SELECT id FROM sync_run WHERE state = 'waiting'")
        if run_id is not None:
            await work_to_end(run_id)
            return
        await asyncio.sleep(0.01)


async def test_a_run_is_started_waited_for_and_listed(
    account_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    listings.WORLD.add_customers(6)
    wanted = Wanted(account_id, "all", "customers", wait=True)
    well, _ = await asyncio.gather(start_and_watch(wanted), work_when_asked())
    assert well
    said = capsys.readouterr().out
    assert "Started run 1 of Northwind (test mode)." in said
    assert "6 created, 0 updated, 0 unchanged, 0 differing" in said
    await say_runs()
    assert "done     Resync" in capsys.readouterr().out


async def test_a_kind_that_nobody_lists_and_an_account_that_is_not_there_are_named(account_id: int) -> None:
    with pytest.raises(NotFound, match="There is no kind rockets"):
        await start_and_watch(Wanted(account_id, kinds="customers, rockets"))
    with pytest.raises(NotFound, match="There is no such connection"):
        await start_and_watch(Wanted(account_id + 1))
