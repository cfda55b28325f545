"""Six runs a minute for each person, whatever process counts them."""

from __future__ import annotations

import asyncio

import pytest

from portal.accounts.allowances import RUNS, RUNS_AND_SAVES, TooManyRuns, take_run
from portal.database.transaction import connection


async def test_the_seventh_run_is_refused_with_the_time_to_wait(database: None) -> None:
    for _ in range(RUNS):
        await take_run(1)
    with pytest.raises(TooManyRuns) as refused:
        await take_run(1)
    assert 50 <= refused.value.wait_seconds <= 60
    await take_run(2)


async def test_runs_at_the_same_moment_are_counted_one_by_one(database: None) -> None:
    answers = await asyncio.gather(*(take_run(1) for _ in range(12)), return_exceptions=True)
    assert sum(answer is None for answer in answers) == RUNS


async def test_saving_is_possible_after_many_runs(database: None) -> None:
    for _ in range(RUNS):
        await take_run(1)
    await take_run(1, limit=RUNS_AND_SAVES)


async def test_a_minute_later_runs_are_free_again(database: None) -> None:
    for _ in range(RUNS):
        await take_run(1)
    async with connection() as held:
        await held.execute(
            "UPDATE check_allowance SET runs = ARRAY(SELECT r - interval '61 seconds' FROM unnest(runs) r)"
        )
    await take_run(1)
    async with connection() as held:
        assert await held.fetchval("SELECT cardinality(runs) FROM check_allowance") == 1
