"""One object that cannot be written keeps no other one out, and people see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from portal.contract.errors import ProviderError
from portal.contract.work import PageWanted
from portal.database.transaction import connection
from portal.exchange.runs import Purpose
from tests.exchange import listings
from tests.exchange.listings import begin, totals, work_to_end


@asynccontextmanager
async def refusing(condition: str) -> AsyncIterator[None]:
    """The database takes no invoice of which this is not true."""
    async with connection() as held:
        await held.execute(f"ALTER TABLE invoice ADD CONSTRAINT bad CHECK ({condition})")
    try:
        yield
    finally:
        async with connection() as held:
            await held.execute("ALTER TABLE invoice DROP CONSTRAINT bad")


async def left_out() -> list[tuple[str, str, str]]:
    async with connection() as held:
        rows = await held.fetch(
            "SELECT external_id, field, found_by FROM sync_difference WHERE state = 'open' ORDER BY 1"
        )
    return [tuple(row) for row in rows]


async def statuses() -> list[str]:
    async with connection() as held:
        return [row["status"] for row in await held.fetch("SELECT status FROM invoice")]


async def test_a_resync_leaves_out_what_cannot_be_written_and_takes_it_when_it_can(account_id: int) -> None:
    for number in range(12):
        listings.WORLD.add_invoice(number)
    async with refusing("external_id <> 'in_8'"):
        run_id = await begin(account_id)
        assert await work_to_end(run_id) == "done"
    counts = await totals(run_id)
    assert (counts["seen"], counts["created"], counts["differing"]) == (12, 11, 1)
    assert await left_out() == [("in_8", "record", "resync")]
    assert await work_to_end(await begin(account_id)) == "done"
    assert len(await statuses()) == 12
    assert await left_out() == []


async def test_a_page_that_is_refused_again_and_again_ends_the_run_instead_of_going_round(
    account_id: int,
) -> None:
    for number in range(12):
        listings.WORLD.add_invoice(number).created = listings.NOON

    async def refuse(wanted: PageWanted) -> None:
        if wanted.kind == "invoices" and wanted.after is not None:
            raise ProviderError("No.")

    listings.WORLD.hook = refuse
    async with asyncio.timeout(10):
        assert await work_to_end(await begin(account_id)) == "failed"


async def test_the_comparison_of_the_night_mends_the_others_and_reports_it(account_id: int) -> None:
    for number in range(6):
        listings.WORLD.add_invoice(number)
    assert await work_to_end(await begin(account_id)) == "done"
    for number in (2, 3):
        listings.WORLD.pay(number)
    for number in (7, 8):
        listings.WORLD.add_invoice(number)
    async with refusing("external_id <> 'in_8' AND (external_id <> 'in_3' OR status <> 'paid')"):
        run_id = await begin(account_id, Purpose.COMPARISON, repairs=True)
        assert await work_to_end(run_id) == "done"
    assert sorted(await statuses()) == ["open"] * 6 + ["paid"]
    assert [(name, field) for name, field, _ in await left_out()] == [("in_3", "record"), ("in_8", "record")]
    assert await work_to_end(await begin(account_id, Purpose.COMPARISON, repairs=True)) == "done"
    assert await left_out() == []
    assert sorted(await statuses()) == ["open"] * 6 + ["paid"] * 2
