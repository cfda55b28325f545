"""What the queue's tests share: a real broker with a queue of its own, a journal, SQL, workers."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import dramatiq
from dramatiq.broker import Broker
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware

from portal.database.engine import connection_options
from portal.queue.broker import build_broker
from portal.queue.connections import KeptConnection
from portal.queue.consumers import PostgresConsumer
from portal.queue.jobs import JobMessage, create_tables
from portal.queue.loops import LoopThread
from portal.queue.messages import build_message
from portal.queue.middleware import build_middleware
from portal.settings import ROOT, Settings

PATIENCE_SECONDS = 45.0
URLS = {
    "postgres": None,
    "rabbitmq": os.environ.get("PORTAL_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672"),
    "redis": os.environ.get("PORTAL_TEST_REDIS_URL", "redis://127.0.0.1:6379/15"),
}
PLANT = "INSERT INTO portal_job (queue_name, actor_name, args) VALUES ($1, 'test.note', $2::jsonb)"
ROWS_OF_DEAD = "SELECT count(*) FROM portal_job_dead WHERE queue_name = $1"

Sql = Callable[..., list[asyncpg.Record]]


def wait_until(true: Callable[[], object], *, what: str) -> None:
    """Poll until it holds; fail the test, saying what did not happen, when it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


class Journal:
    """What actors did, in order, from any thread."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self._lock = threading.Lock()

    def write(self, entry: object) -> None:
        with self._lock:
            self.entries.append(entry)

    def wait_for(self, amount: int) -> list[Any]:
        wait_until(lambda: len(self.entries) >= amount, what=f"{amount} entries, got {self.entries}")
        return list(self.entries)


@dataclasses.dataclass
class Room:
    """A broker of one kind and a queue that no other test uses."""

    kind: str
    settings: Settings
    broker: Broker
    queue_name: str
    sql: Sql

    def actor(self, function: Callable[..., Any], *, name: str, **options: Any) -> dramatiq.Actor[..., Any]:
        """Declare it on this room's broker and queue, named `test.<name>`."""
        declare = dramatiq.actor(
            broker=self.broker, queue_name=self.queue_name, actor_name=f"test.{name}", **options
        )
        return declare(function)

    def enqueue(self, actor_name: str, *ids: int | str, delay: int | None = None) -> None:
        self.broker.enqueue(build_message(actor_name, *ids, queue_name=self.queue_name), delay=delay)

    @contextlib.contextmanager
    def worker(self, threads: int = 4) -> Iterator[dramatiq.Worker]:
        """A worker in this process."""
        worker = dramatiq.Worker(self.broker, worker_threads=threads, worker_timeout=100)
        worker.start()
        try:
            yield worker
        finally:
            worker.stop(timeout=5000)

    @contextlib.contextmanager
    def process(self, journal: Path, *mode: str) -> Iterator[subprocess.Popen[bytes]]:
        """A worker in a process of its own, which is killed in the end."""
        url = self.settings.broker_url or "postgres"
        command = [sys.executable, "-m", "tests.queue.worker_process", url, self.queue_name, str(journal)]
        started = subprocess.Popen([*command, *mode], cwd=ROOT)
        try:
            yield started
        finally:
            started.kill()
            started.wait(10)

    def count_dead(self) -> int:
        if isinstance(self.broker, RabbitmqBroker):
            return self.broker.get_queue_message_counts(self.queue_name)[2]
        if isinstance(self.broker, RedisBroker):
            return int(self.broker.client.zcard(f"dramatiq:{self.queue_name}.XQ"))
        return int(self.sql(ROWS_OF_DEAD, self.queue_name)[0][0])

    def plant(self, body: bytes) -> None:
        """Put bytes into the queue past every check, as somebody who reached the server could."""
        if isinstance(self.broker, RabbitmqBroker):
            self.broker.channel.basic_publish(exchange="", routing_key=self.queue_name, body=body)
        elif isinstance(self.broker, RedisBroker):
            self.broker.client.hset(f"dramatiq:{self.queue_name}.msgs", "planted", body)
            self.broker.client.rpush(f"dramatiq:{self.queue_name}", "planted")
        else:
            text = body.decode("latin-1").replace("\0", "")
            self.sql(PLANT, self.queue_name, json.dumps([text]))

    def leave(self) -> None:
        """Remove the queue from the server, and close the broker."""
        if isinstance(self.broker, RabbitmqBroker):
            for suffix in ("", ".DQ", ".XQ"):
                self.broker.channel.queue_delete(self.queue_name + suffix)
        elif isinstance(self.broker, RedisBroker):
            client = self.broker.client
            for key in client.scan_iter(f"dramatiq:*{self.queue_name}*"):
                client.delete(key)
            client.close()
        self.broker.close()


def open_room(
    kind: str,
    settings: Settings,
    sql: Sql,
    *,
    lease: timedelta | None = None,
    extra: Sequence[Middleware] = (),
) -> Room:
    """A room at the real server of that kind."""
    chosen = dataclasses.replace(settings, broker_url=URLS[kind])
    broker = build_broker(chosen, middleware=[*build_middleware(), *extra], lease=lease)
    return Room(kind, chosen, broker, f"test_{uuid.uuid4().hex[:12]}", sql)


@contextlib.contextmanager
def used(room: Room) -> Iterator[Room]:
    """The room's broker is Dramatiq's own meanwhile."""
    before = dramatiq.broker.global_broker
    dramatiq.broker.global_broker = room.broker
    try:
        yield room
    finally:
        dramatiq.broker.global_broker = before
        room.leave()


def reachable(kind: str) -> bool:
    """Whether the server of that kind answers; PostgreSQL is the tests' own and always does."""
    url = URLS[kind]
    if url is None:
        return True
    parts = urlsplit(url)
    with contextlib.suppress(OSError):
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2).close()
        return True
    return False


@contextlib.contextmanager
def sql_thread(settings: Settings) -> Iterator[Sql]:
    """A function that runs SQL and waits, usable in tests that are not async."""
    loops = LoopThread("tests-sql")
    connection = KeptConnection(connection_options(settings), name="tests")

    def run(query: str, *args: object) -> list[asyncpg.Record]:
        return loops.run(connection.fetch(query, *args), timeout=PATIENCE_SECONDS)

    yield run
    loops.run(connection.close(), timeout=PATIENCE_SECONDS)
    loops.stop()


def make_tables(settings: Settings) -> None:
    """The queue's tables in a database without any."""

    async def make() -> None:
        connection = await asyncpg.connect(**connection_options(settings, name="tests"))
        await create_tables(connection)
        await connection.close()

    loops = LoopThread("tests-tables")
    loops.run(make(), timeout=PATIENCE_SECONDS)
    loops.stop()


@contextlib.contextmanager
def consuming(room: Room, prefetch: int = 1) -> Iterator[PostgresConsumer]:
    consumer = room.broker.consume(room.queue_name, prefetch=prefetch, timeout=100)
    assert isinstance(consumer, PostgresConsumer)
    try:
        yield consumer
    finally:
        consumer.close()


def receive(consumer: PostgresConsumer) -> JobMessage:
    got: list[JobMessage] = []

    def look() -> bool:
        if message := next(consumer):
            got.append(message)
        return bool(got)

    wait_until(look, what="a message")
    return got[0]
