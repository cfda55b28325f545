"""What only the queue in PostgreSQL promises."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import pickle
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from dramatiq.errors import ConnectionClosed

from portal.database import embedded
from portal.database.engine import connection_options
from portal.database.transaction import transaction
from portal.queue import consumers, leases, statements
from portal.queue.jobs import enqueue_in
from portal.queue.messages import build_message
from portal.settings import Settings
from tests.queue.rooms import (
    Journal,
    Room,
    Sql,
    consuming,
    make_tables,
    open_room,
    receive,
    sql_thread,
    used,
    wait_until,
)

CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name LIKE 'portal-queue%' AND application_name <> 'portal-queue tests'
"""
STORE_AND_RING = f"""
WITH fresh AS (
    INSERT INTO event (external_id) VALUES ($1) ON CONFLICT DO NOTHING
    RETURNING id, 'test.handle_event' AS actor_name
), rung AS ({statements.RING_FRESH})
SELECT id FROM fresh
"""  # noqa: S608 - made of constants


async def test_a_committed_job_runs_and_a_rolled_back_one_never_does(
    postgres_room: Room, journal: Journal
) -> None:
    room = postgres_room
    room.actor(journal.write, name="note")
    with contextlib.suppress(LookupError):
        async with transaction() as tx:
            await enqueue_in(tx.connection, build_message("test.note", 1, queue_name=room.queue_name))
            raise LookupError("rolls back")
    async with transaction() as tx:
        await enqueue_in(tx.connection, build_message("test.note", 2, queue_name=room.queue_name))
    with room.worker():
        assert await asyncio.to_thread(journal.wait_for, 1) == [2]
    assert room.sql("SELECT id FROM portal_job") == []


async def test_one_statement_stores_an_event_once_and_rings_for_it(
    database: None, settings: Settings
) -> None:
    told: asyncio.Queue[object] = asyncio.Queue()
    async with own_connection(settings) as held:
        await held.add_listener(statements.CHANNEL, lambda *said: told.put_nowait(said[-1]))
        await held.execute(
            "CREATE TEMPORARY TABLE event (id int GENERATED ALWAYS AS IDENTITY, external_id text UNIQUE)"
        )
        ids = [await held.fetchval(STORE_AND_RING, "evt_1") for _ in range(3)]
        jobs = await held.fetch("SELECT queue_name, actor_name, args FROM portal_job")
        assert await asyncio.wait_for(told.get(), 5) == "default"
    assert ids == [1, None, None]
    assert [tuple(job) for job in jobs] == [("default", "test.handle_event", "[1]")]
    assert told.empty()


def test_jobs_run_on_after_all_connections_were_cut(postgres_room: Room, journal: Journal) -> None:
    room = postgres_room

    def work(number: int) -> None:
        time.sleep(0.01)
        journal.write(number)

    room.actor(work, name="work")
    with room.worker():
        for number in range(60):
            room.enqueue("test.work", number)
            if number % 20 == 10:
                journal.wait_for(number // 2)
                room.sql(CUT)
        wait_until(lambda: room.sql("SELECT id FROM portal_job") == [], what="an empty queue")
    assert set(journal.entries) == set(range(60))


def test_a_job_that_outlives_its_connection_is_settled_once(postgres_room: Room, journal: Journal) -> None:
    room = postgres_room
    cut = threading.Event()

    def work(number: int) -> None:
        journal.write(number)
        assert cut.wait(10)

    room.actor(work, name="work")
    room.enqueue("test.work", 1)
    with room.worker():
        journal.wait_for(1)
        room.sql(CUT)
        cut.set()
        room.broker.join(room.queue_name, timeout=10_000)
    assert journal.entries == [1]


def test_the_queue_survives_a_restart_of_postgresql(
    tmp_path: Path, settings: Settings, journal: Journal
) -> None:
    own = dataclasses.replace(settings, database_url=None, data_dir=tmp_path)
    server = embedded.ensure_running(tmp_path, ends_with_caller=True)
    try:
        with sql_thread(own) as sql, used(open_room("postgres", own, sql)) as room:
            make_tables(own)
            room.actor(journal.write, name="note")
            with room.worker():
                room.enqueue("test.note", 1)
                journal.wait_for(1)
                server.stop()
                with pytest.raises(ConnectionClosed):
                    room.enqueue("test.note", 2)
                server = embedded.ensure_running(tmp_path, ends_with_caller=True)
                room.enqueue("test.note", 3)
                assert journal.wait_for(2) == [1, 3]
    finally:
        embedded.erase(tmp_path)


def test_a_retry_is_the_same_row_so_that_nothing_is_between_it_and_the_acknowledgement(
    postgres_room: Room, journal: Journal
) -> None:
    room = postgres_room

    def fail(number: int) -> None:
        journal.write(room.sql("SELECT id, deliveries FROM portal_job")[0])
        raise LookupError("no")

    room.actor(fail, name="fail", max_retries=2, min_backoff=10, max_backoff=20)
    room.enqueue("test.fail", 1)
    with room.worker():
        journal.wait_for(3)
        wait_until(lambda: room.count_dead() == 1, what="a dead letter")
    assert {tuple(row) for row in journal.entries} == {(1, 1)}
    dead = room.sql("SELECT id, args, reason, options->>'retries' FROM portal_job_dead")
    assert [tuple(row) for row in dead] == [(1, "[1]", "LookupError", "2")]


def test_a_running_job_keeps_its_lease(postgres_room: Room) -> None:
    room = postgres_room
    room.broker.declare_queue(room.queue_name)
    room.enqueue("test.note", 1)
    with consuming(room) as consumer:
        message = receive(consumer)
        ends = [room.sql("SELECT visible_at FROM portal_job")[0][0]]

        def moved() -> bool:
            ends.append(room.sql("SELECT visible_at FROM portal_job")[0][0])
            return len(set(ends)) >= 3

        wait_until(moved, what="the lease being renewed twice")
        consumer.ack(message)
    assert room.sql("SELECT id FROM portal_job") == []


def test_a_job_stuck_for_too_long_is_delivered_again(
    postgres_room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = postgres_room
    monkeypatch.setattr(leases, "LONGEST_HOLD_SECONDS", 0.0)
    room.broker.declare_queue(room.queue_name)
    room.enqueue("test.note", 1)
    with consuming(room, prefetch=2) as consumer:
        assert receive(consumer).job_id == receive(consumer).job_id


def test_a_lease_that_nobody_renews_ends_and_the_late_worker_changes_nothing(
    postgres_room: Room, settings: Settings
) -> None:
    room = postgres_room
    room.broker.declare_queue(room.queue_name)
    room.enqueue("test.note", 1)
    with consuming(room) as slow:
        late = receive(slow)
        room.sql("UPDATE portal_job SET visible_at = now(), owner = gen_random_uuid()")
        slow.ack(late)
    jobs = room.sql("SELECT deliveries FROM portal_job")
    assert [job[0] for job in jobs] == [1]


def test_what_was_fetched_and_not_begun_is_given_back_at_the_end(postgres_room: Room) -> None:
    room = postgres_room
    room.broker.declare_queue(room.queue_name)
    for number in range(6):
        room.enqueue("test.note", number)
    with consuming(room, prefetch=6) as consumer:
        begun, queued = receive(consumer), receive(consumer)
        wait_until(lambda: len(rows_held(room)) == 6, what="six fetched jobs")
        consumer.requeue([queued])
    held = rows_held(room)
    assert held == [begun.job_id]
    free = room.sql("SELECT deliveries FROM portal_job WHERE owner IS NULL AND visible_at <= now()")
    assert [job[0] for job in free] == [0] * 5


def test_pickled_bytes_cannot_be_stored(sql: Sql) -> None:
    with pytest.raises(asyncpg.DataError):
        sql(
            "INSERT INTO portal_job (actor_name, args) VALUES ('test.note', convert_from($1, 'UTF8')::jsonb)",
            pickle.dumps(Trap()),
        )


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ('["csys\\nexit\\n(tR."]', "{}"),
        ("[" * 5000 + "]" * 5000, "{}"),
        ("[" + "9" * 5000 + "]", "{}"),
        ('[{"id": 1}]', "{}"),
    ],
    ids=["text", "deep", "huge", "object"],
)
def test_a_poisoned_row_becomes_a_dead_letter_and_the_next_job_runs(
    postgres_room: Room, journal: Journal, args: str, options: str
) -> None:
    room = postgres_room
    room.actor(journal.write, name="note")
    room.sql(
        "INSERT INTO portal_job (queue_name, actor_name, args, options)"
        " VALUES ($1, 'test.note', $2::jsonb, $3::jsonb)",
        *(room.queue_name, args, options),
    )
    room.enqueue("test.note", 2)
    with room.worker():
        assert journal.wait_for(1) == [2]
        wait_until(lambda: room.count_dead() == 1, what="a dead letter")
    assert room.sql("SELECT reason FROM portal_job_dead")[0][0].startswith("unreadable")


def test_a_job_for_an_unknown_actor_becomes_a_dead_letter(postgres_room: Room) -> None:
    postgres_room.broker.declare_queue(postgres_room.queue_name)
    postgres_room.enqueue("nobody.knows", 1)
    with postgres_room.worker():
        wait_until(lambda: postgres_room.count_dead() == 1, what="a dead letter")
    assert postgres_room.sql("SELECT reason FROM portal_job_dead")[0][0] == "ActorNotFound"


def test_a_job_that_kills_its_workers_is_given_up(postgres_room: Room, journal: Journal) -> None:
    room = postgres_room
    room.actor(journal.write, name="note")
    room.enqueue("test.note", 1)
    room.sql("UPDATE portal_job SET deliveries = $1", consumers.MAX_DELIVERIES)
    with room.worker():
        wait_until(lambda: room.count_dead() == 1, what="a dead letter")
    assert journal.entries == []


class Trap:
    """Unpickling it would end the process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


def rows_held(room: Room) -> list[int]:
    return [row[0] for row in room.sql("SELECT id FROM portal_job WHERE owner IS NOT NULL ORDER BY id")]


@contextlib.asynccontextmanager
async def own_connection(settings: Settings) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    held = await asyncpg.connect(**connection_options(settings, name="test"))
    try:
        yield held
    finally:
        await held.close()
