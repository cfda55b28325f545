"""Objects of a page that cannot be written: noted for people, and no reason to stop before all the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from portal.contract.accounts import Account
from portal.database.transaction import Connection
from portal.exchange import applying
from portal.exchange.applying import PageResult
from portal.exchange.comparisons import note_drifts
from portal.exchange.drifts import Drift, Read, broken, left_out, one_of
from portal.exchange.failures import is_of_the_object
from portal.exchange.run_leases import Run
from portal.exchange.settlings import settle_drifts


async def apply_together(
    held: Connection, run: Run, account: Account, read: Read, *, in_parts: bool
) -> PageResult:
    """Write a page in the caller's transaction. What must have no effect here counts as differing."""
    done = await applying.apply_page(held, account, read.page, read_at=read.began, in_parts=in_parts)
    keys = [reading.key for reading in read.page.readings if reading.key not in done.refused]
    await settle_drifts(held, account, keys)
    await note_drifts(held, run, account, [left_out(key, why) for key, why in done.refused.items()])
    left = len(done.refused)
    return replace(done, unchanged=done.unchanged - left, differing=done.differing + left)


async def apply_singly(
    held: Connection, run: Run, account: Account, read: Read, *, in_parts: bool
) -> PageResult:
    """The same object by object; what the database refuses is noted and counted like that, too."""
    results: list[PageResult] = []
    left: list[Drift] = []
    for reading in sorted(read.page.readings, key=lambda each: each.key):
        alone = Read(one_of(read.page, reading), read.began)
        try:
            async with held.transaction():
                results.append(await apply_together(held, run, account, alone, in_parts=in_parts))
        except Exception as error:
            if not is_of_the_object(error):
                raise
            left.append(broken(reading.key, error))
    await note_drifts(held, run, account, left)
    return _sum(results, left)


def _sum(results: Sequence[PageResult], left: Sequence[Drift]) -> PageResult:
    return PageResult(
        created=sum(each.created for each in results),
        updated=sum(each.updated for each in results),
        unchanged=sum(each.unchanged for each in results),
        differing=sum(each.differing for each in results) + len(left),
    )
