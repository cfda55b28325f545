"""The queue in PostgreSQL as a whole: forks, closing, counting, cleaning up."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings

import pytest
from dramatiq.errors import QueueJoinTimeout

from portal.database.transaction import connection
from portal.queue.jobs import purge_dead, read_counts
from tests.queue.rooms import Journal, Room, consuming, receive, wait_until

OPEN_CONNECTIONS = """
SELECT application_name FROM pg_stat_activity
WHERE application_name LIKE 'portal-queue%' AND application_name <> 'portal-queue tests'
"""


def test_a_forked_child_enqueues_by_itself_and_leaves_its_parent_alone(
    postgres_room: Room, journal: Journal
) -> None:
    room = postgres_room
    room.actor(journal.write, name="note")
    room.enqueue("test.note", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        with contextlib.suppress(Exception):
            room.enqueue("test.note", 2)
        os._exit(0)
    os.waitpid(child, 0)
    room.enqueue("test.note", 3)
    with room.worker(threads=1):
        assert sorted(journal.wait_for(3)) == [1, 2, 3]


def test_closing_leaves_no_thread_and_no_connection_and_may_be_followed_by_more(
    postgres_room: Room, journal: Journal
) -> None:
    room = postgres_room
    room.actor(journal.write, name="note")
    room.sql("SELECT 1")
    before = set(threading.enumerate())
    for number in (1, 2):
        with room.worker():
            room.enqueue("test.note", number)
            journal.wait_for(number)
        room.broker.close()
        room.broker.close()
        wait_until(lambda: room.sql(OPEN_CONNECTIONS) == [], what="all connections closed")
        assert set(threading.enumerate()) - before == set()


def test_join_waits_and_flush_empties(postgres_room: Room) -> None:
    room = postgres_room
    room.broker.declare_queue(room.queue_name)
    room.enqueue("test.note", 1, delay=60_000)
    with pytest.raises(QueueJoinTimeout):
        room.broker.join(room.queue_name, timeout=50)
    room.broker.flush_all()
    room.broker.join(room.queue_name, timeout=50)


async def test_counts_tell_ready_delayed_running_and_dead(postgres_room: Room) -> None:
    room = postgres_room
    room.broker.declare_queue(room.queue_name)
    for delay in (None, None, 60_000):
        room.enqueue("test.note", 1, delay=delay)
    with consuming(room, prefetch=1) as consumer:
        receive(consumer)
        async with connection() as held:
            counts = await read_counts(held)
    assert [(c.queue_name, c.ready, c.delayed, c.running) for c in counts] == [(room.queue_name, 1, 1, 1)]


async def test_old_dead_letters_are_purged_and_young_ones_kept(postgres_room: Room) -> None:
    for age in (1, 20):
        postgres_room.sql(
            "INSERT INTO portal_job_dead SELECT $1::bigint, 'default', 'test.note', gen_random_uuid(),"
            " '[]', '{}', '{}', now(), 1, 'rejected', now() - $1::bigint * interval '1 day'",
            age,
        )
    async with connection() as held:
        await purge_dead(held)
        assert [row[0] for row in await held.fetch("SELECT id FROM portal_job_dead")] == [1]
