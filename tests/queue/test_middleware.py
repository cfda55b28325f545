"""What workers open before the first job, and what failures leave behind."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AsyncIO

from portal.errors import NotFound
from portal.queue import middleware
from portal.queue.failures import SafeLines, WorkerNotReady, describe_failure
from portal.queue.middleware import Resources, build_middleware
from tests.queue.rooms import Journal

SECRET = "sk_test_planted_in_an_exception"


def test_resources_open_on_dramatiqs_loop_before_jobs_and_close_after_them(journal: Journal) -> None:
    loops = []

    async def open_() -> None:
        loops.append(asyncio.get_running_loop())
        journal.write("open")

    async def close() -> None:
        loops.append(asyncio.get_running_loop())
        journal.write("close")

    async def work(number: int) -> None:
        loops.append(asyncio.get_running_loop())
        journal.write(number)

    broker = StubBroker(middleware=[AsyncIO(), Resources(open_, close)])
    dramatiq.actor(broker=broker, actor_name="test.work")(work)
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=1)
    broker.enqueue(broker.get_actor("test.work").message(1))
    worker.start()
    journal.wait_for(2)
    worker.stop()
    assert journal.entries == ["open", 1, "close"]
    assert len(set(loops)) == 1


def test_resources_that_open_late_are_waited_for(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "OPEN_AGAIN_SECONDS", 0.01)

    async def open_() -> None:
        journal.write("try")
        if len(journal.entries) < 3:
            raise OSError("not up yet")

    boot(open_)
    assert journal.entries == ["try", "try", "try"]


def test_a_worker_without_its_resources_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "OPEN_SECONDS", 0.0)

    async def open_() -> None:
        raise OSError(SECRET)

    with pytest.raises(WorkerNotReady, match="OSError") as refused:
        boot(open_)
    assert SECRET not in refused.value.message


def test_no_middleware_stores_error_texts_or_whole_messages() -> None:
    names = {type(m).__name__ for m in build_middleware()}
    assert "Callbacks" not in names
    assert {"IdsOnly", "Scrub", "Retries", "TimeLimit", "AsyncIO"} <= names


def test_a_failure_is_described_by_names_codes_and_places() -> None:
    with pytest.raises(NotFound) as raised:
        stumble(NotFound(SECRET), cause=LookupError(SECRET))
    described = describe_failure(raised.value)
    assert described.startswith("NotFound NOT_FOUND at ")
    assert described.endswith("from LookupError")
    assert SECRET not in described


def test_a_log_line_with_a_traceback_holds_no_words_of_the_error() -> None:
    try:
        stumble(LookupError(f"customer Planted and {SECRET}"))
    except LookupError:
        record = logging.LogRecord(
            "dramatiq.worker", logging.ERROR, __file__, 1, "Failed %s", ("x(1)",), sys.exc_info()
        )
    line = SafeLines("worker").format(record)
    assert "Planted" not in line
    assert SECRET not in line
    assert "LookupError" in json.loads(line)["traceback"]


def boot(open_: middleware.Step) -> None:
    """Start and stop a worker that has nothing but these resources."""

    async def close() -> None: ...

    worker = dramatiq.Worker(StubBroker(middleware=[AsyncIO(), Resources(open_, close)]), worker_timeout=50)
    try:
        worker.start()
    finally:
        worker.stop()


def stumble(error: Exception, *, cause: Exception | None = None) -> None:
    raise error from cause
