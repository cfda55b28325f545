"""The contract that all three brokers keep, on real servers."""

from __future__ import annotations

import contextlib
import pickle
from collections import Counter
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from dramatiq.middleware import CurrentMessage

from portal.database.engine import connection_options
from portal.database.transaction import transaction
from portal.queue.doorbells import Doorbell, enqueue
from portal.queue.failures import NonIdArgument
from portal.queue.messages import build_message
from portal.queue.schedule import PeriodicJob, remember, tick
from tests.queue.rooms import Journal, Room, wait_until

SECRET = "sk_test_planted_in_an_exception"


def test_an_enqueued_message_runs(room: Room, journal: Journal) -> None:
    room.actor(journal.write, name="note")
    with room.worker():
        room.enqueue("test.note", 7)
        assert journal.wait_for(1) == [7]


def test_an_async_actor_runs(room: Room, journal: Journal) -> None:
    async def note(number: int) -> None:
        journal.write(number)

    room.actor(note, name="note")
    with room.worker():
        room.enqueue("test.note", 7)
        assert journal.wait_for(1) == [7]


def test_a_delayed_message_waits_for_its_time(room: Room, journal: Journal) -> None:
    room.actor(journal.write, name="note")
    with room.worker():
        room.enqueue("test.note", 1, delay=700)
        room.enqueue("test.note", 2)
        assert journal.wait_for(2) == [2, 1]


def test_a_failed_message_is_tried_again_until_it_succeeds(room: Room, journal: Journal) -> None:
    def stumble(number: int) -> None:
        journal.write(number)
        if len(journal.entries) < 3:
            raise LookupError("not yet")

    room.actor(stumble, name="stumble", min_backoff=10, max_backoff=20)
    room.enqueue("test.stumble", 5)
    with room.worker():
        assert journal.wait_for(3) == [5, 5, 5]
    assert room.count_dead() == 0


def test_exhausted_retries_leave_a_dead_letter(room: Room, journal: Journal) -> None:
    def fail(number: int) -> None:
        journal.write(number)
        raise LookupError("never")

    room.actor(fail, name="fail", max_retries=1, min_backoff=10, max_backoff=20)
    room.enqueue("test.fail", 5)
    with room.worker():
        journal.wait_for(2)
        wait_until(lambda: room.count_dead() == 1, what="a dead letter")
    assert journal.entries == [5, 5]


def test_a_retried_message_names_the_failure_without_its_words(room: Room, journal: Journal) -> None:
    def fail(number: int) -> None:
        message = CurrentMessage.get_current_message()
        assert message is not None
        journal.write(dict(message.options))
        raise LookupError(SECRET)

    room.actor(fail, name="fail", max_retries=1, min_backoff=10, max_backoff=20)
    room.enqueue("test.fail", 5)
    with room.worker():
        _, options = journal.wait_for(2)
    assert options["failure"].startswith("LookupError at ")
    assert "traceback" not in options
    assert SECRET not in str(options)


def test_a_secret_cannot_be_enqueued(room: Room, journal: Journal) -> None:
    actor = room.actor(journal.write, name="note")
    with pytest.raises(NonIdArgument) as refused:
        actor.send(SECRET)
    assert SECRET not in refused.value.message
    with room.worker():
        actor.send(1)
        assert journal.wait_for(1) == [1]


def test_bytes_that_would_run_when_unpickled_run_nothing_and_hold_nobody_up(
    room: Room, journal: Journal, tmp_path: Path
) -> None:
    mark = tmp_path / "was-run"
    actor = room.actor(journal.write, name="note")
    room.broker.declare_queue(room.queue_name)
    room.plant(pickle.dumps(Planted(mark)))
    with room.worker():
        actor.send(7)
        assert journal.wait_for(1) == [7]
    assert not mark.exists()


class Planted:
    """Makes a file when somebody unpickles it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


def test_the_message_of_a_killed_worker_runs_elsewhere(room: Room, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    room.broker.declare_queue(room.queue_name)
    with room.process(journal, "hang") as victim:
        room.enqueue("test.note", 9)
        wait_until(lambda: lines(journal, "begin"), what="the first delivery")
        victim.kill()
        victim.wait(10)
        with room.process(journal):
            wait_until(lambda: lines(journal, "end"), what="the second delivery")
    assert [line[2] for line in lines(journal, "end")] == ["9"]


def test_two_processes_share_the_work_and_run_nothing_twice_at_once(room: Room, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    room.broker.declare_queue(room.queue_name)
    with room.process(journal), room.process(journal):
        wait_until(lambda: len(lines(journal, "ready")) == 2, what="two workers")
        for number in range(80):
            room.enqueue("test.note", number)
        wait_until(lambda: len(lines(journal, "end")) >= 80, what="80 messages done")
        # Before they are stopped: what ended but was not acknowledged yet may then run once more.
        begun = lines(journal, "begin")
    assert len({line[1] for line in begun}) == 2
    assert Counter(line[2] for line in begun) == {str(n): 1 for n in range(80)}


async def test_three_tickers_enqueue_a_periodic_job_once(room: Room, journal: Journal) -> None:
    def sweep() -> None:
        journal.write("swept")

    room.actor(sweep, name="sweep")
    job = PeriodicJob("test.sweep", timedelta(hours=1), "test.sweep", room.queue_name)
    async with contextlib.AsyncExitStack() as stack:
        tickers = []
        for _ in range(3):
            ticker = await asyncpg.connect(**connection_options(room.settings, name="test-ticker"))
            stack.push_async_callback(ticker.close)
            await remember(ticker, [job])
            tickers.append(ticker)
        taken = [await tick(ticker, room.broker, {job.name: job}) for ticker in (*tickers, *tickers)]
    assert [names for names in taken if names] == [["test.sweep"]]
    with room.worker():
        journal.wait_for(1)
    assert journal.entries == ["swept"]


async def test_a_bell_rings_for_what_was_committed_and_for_nothing_else(room: Room, journal: Journal) -> None:
    room.actor(journal.write, name="note")
    async with Doorbell(room.broker, queue_name=room.queue_name) as bell, transaction() as tx:
        await bell.ring(tx.connection, "test.note", 1)
    with contextlib.suppress(LookupError):
        async with Doorbell(room.broker, queue_name=room.queue_name) as bell, transaction() as tx:
            await bell.ring(tx.connection, "test.note", 2)
            raise LookupError("rolls back")
    await enqueue(room.broker, build_message("test.note", 3, queue_name=room.queue_name))
    with room.worker(threads=1):
        assert journal.wait_for(2) == [1, 3]


def lines(journal: Path, word: str) -> list[list[str]]:
    if not journal.exists():
        return []
    return [line.split() for line in journal.read_text().splitlines() if line.startswith(word)]
