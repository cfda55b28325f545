"""Periodic jobs: registered once, moved on, and enqueued by whoever ticks first."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import TypeAlias

import asyncpg
import pytest

from portal.database.engine import connection_options
from portal.errors import ConfigurationError
from portal.queue import schedule
from portal.queue.broker import build_broker
from portal.queue.schedule import PeriodicJob, Ticker, periodic, periodic_jobs, remember, tick
from portal.settings import Settings
from tests.queue.rooms import Journal, Room, Sql, open_room, used

JOB = PeriodicJob("test.sweep", timedelta(seconds=30), "test.sweep_rows")
Clock: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def clock(database: None, settings: Settings) -> AsyncIterator[Clock]:
    held = await asyncpg.connect(**connection_options(settings, name="test-ticker"))
    yield held
    await held.close()


@pytest.fixture
def room_with_ticker(sql: Sql, settings: Settings) -> Iterator[Room]:
    ticker = Ticker(connection_options(settings))
    with used(open_room("postgres", settings, sql, extra=[ticker])) as room:
        yield room


async def test_a_job_is_enqueued_when_due_and_moved_on(clock: Clock, settings: Settings) -> None:
    broker, known = build_broker(settings), {JOB.name: JOB}
    await remember(clock, [JOB])
    assert await tick(clock, broker, known) == ["test.sweep"]
    assert await tick(clock, broker, known) == []
    # An hour without any worker: one call makes up for all that were missed.
    await clock.execute("UPDATE portal_schedule SET next_run_at = now() - interval '1 hour'")
    assert await tick(clock, broker, known) == ["test.sweep"]
    assert await tick(clock, broker, known) == []
    jobs = await clock.fetch("SELECT actor_name, args FROM portal_job")
    assert [tuple(job) for job in jobs] == [("test.sweep_rows", "[]")] * 2
    left = await clock.fetchval("SELECT next_run_at - last_run_at FROM portal_schedule")
    assert left == JOB.every


async def test_a_job_that_cannot_be_enqueued_stays_due(clock: Clock, settings: Settings) -> None:
    await remember(clock, [JOB])
    await clock.execute("ALTER TABLE portal_job RENAME TO portal_job_away")
    try:
        with pytest.raises(asyncpg.UndefinedTableError):
            await tick(clock, build_broker(settings), {JOB.name: JOB})
    finally:
        await clock.execute("ALTER TABLE portal_job_away RENAME TO portal_job")
    assert await tick(clock, build_broker(settings), {JOB.name: JOB}) == ["test.sweep"]


async def test_a_job_another_ticker_holds_is_passed_over(clock: Clock, settings: Settings) -> None:
    broker, known = build_broker(settings), {JOB.name: JOB}
    await remember(clock, [JOB])
    other = await asyncpg.connect(**connection_options(settings, name="test-ticker"))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(other.close)
        async with clock.transaction():
            await clock.execute("SELECT FROM portal_schedule FOR UPDATE")
            assert await tick(other, broker, known) == []
        assert await tick(other, broker, known) == ["test.sweep"]


async def test_remembering_again_keeps_the_time_unless_the_job_runs_more_often(clock: Clock) -> None:
    await remember(clock, [JOB])
    await clock.execute("UPDATE portal_schedule SET next_run_at = now() + interval '20 seconds'")
    before = await clock.fetchval("SELECT next_run_at FROM portal_schedule")
    await remember(clock, [JOB])
    assert await clock.fetchval("SELECT next_run_at FROM portal_schedule") == before
    await remember(clock, [PeriodicJob(JOB.name, timedelta(seconds=5), JOB.actor_name)])
    assert await clock.fetchval("SELECT next_run_at < now() + interval '10 seconds' FROM portal_schedule")


def test_registered_jobs_run_in_a_worker_that_ticks(
    room_with_ticker: Room, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_registry", {})
    actor = room_with_ticker.actor(lambda: journal.write("swept"), name="sweep")
    assert periodic(name="test.sweep", every=timedelta(seconds=1))(actor) is actor
    assert [job.actor_name for job in periodic_jobs()] == ["test.sweep"]
    with room_with_ticker.worker():
        assert journal.wait_for(2) == ["swept", "swept"]


def test_a_job_more_often_than_the_clock_ticks_is_refused(room_with_ticker: Room, journal: Journal) -> None:
    actor = room_with_ticker.actor(journal.write, name="sweep")
    with pytest.raises(ConfigurationError, match="once a second"):
        periodic(name="test.sweep", every=timedelta(milliseconds=10))(actor)
