"""A bell that cannot be heard must not stop the work that rings it."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator

import pytest

from portal.database.transaction import connection
from portal.queue import doorbells
from portal.queue.broker import build_broker
from portal.queue.counters import read_counters
from portal.queue.doorbells import Doorbell, QueueUnavailable, enqueue
from portal.queue.failures import NonIdArgument
from portal.queue.messages import build_message
from portal.settings import Settings

MISSED = ("ring_missed", "test.note")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Accepts connections and never answers, as a frozen broker does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
async def test_a_broker_that_is_down_costs_a_count_and_no_error(
    database: None, settings: Settings, closed_port: int, scheme: str
) -> None:
    await _ring_once(settings, f"{scheme}://127.0.0.1:{closed_port}")


async def test_a_frozen_broker_costs_the_deadline_and_no_error(
    database: None, settings: Settings, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbells, "DEADLINE_SECONDS", 0.2)
    await _ring_once(settings, f"redis://127.0.0.1:{silent_port}")
    await _ring_once(settings, f"amqp://127.0.0.1:{silent_port}")


async def test_rings_beyond_the_room_for_waiting_ones_are_missed_at_once(
    database: None, settings: Settings, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbells, "MOST_WAITING", 0)
    full = doorbells._Senders()
    monkeypatch.setattr(doorbells, "_senders", lambda: full)
    await _ring_once(settings, f"redis://127.0.0.1:{closed_port}")


async def test_enqueue_says_when_the_broker_did_not_take_it(settings: Settings, closed_port: int) -> None:
    broker = build_broker(dataclasses.replace(settings, broker_url=f"redis://127.0.0.1:{closed_port}"))
    with pytest.raises(QueueUnavailable, match="ConnectionError"):
        await enqueue(broker, build_message("test.note", 1))


async def test_a_bell_refuses_what_is_no_id_before_anything_is_sent(
    database: None, settings: Settings
) -> None:
    async with Doorbell(build_broker(settings)) as bell, connection() as held:
        with pytest.raises(NonIdArgument):
            await bell.ring(held, "test.note", "sk_test_planted")
        assert await held.fetchval("SELECT count(*) FROM portal_job") == 0


async def _ring_once(settings: Settings, url: str) -> None:
    missed = read_counters().get(MISSED, 0)
    broker = build_broker(dataclasses.replace(settings, broker_url=url))
    async with Doorbell(broker) as bell, connection() as held:
        await bell.ring(held, "test.note", 1)
    assert read_counters()[MISSED] == missed + 1
