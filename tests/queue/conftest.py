"""Fixtures of the queue's tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from portal.settings import Settings
from tests.queue.rooms import Journal, Room, Sql, open_room, reachable, sql_thread, used


@pytest.fixture
def sql(database: None, settings: Settings) -> Iterator[Sql]:
    with sql_thread(settings) as run:
        yield run


@pytest.fixture(params=["postgres", "rabbitmq", "redis"])
def room(request: pytest.FixtureRequest, settings: Settings, sql: Sql) -> Iterator[Room]:
    """One room a broker: what holds in all three is the contract."""
    kind = str(request.param)
    if not reachable(kind):
        assert not settings.ci, f"{kind} must be running on CI"
        pytest.skip(f"{kind} does not answer on this machine")
    with used(open_room(kind, settings, sql)) as room:
        yield room


@pytest.fixture
def postgres_room(settings: Settings, sql: Sql) -> Iterator[Room]:
    with used(open_room("postgres", settings, sql, lease=timedelta(seconds=1))) as room:
        yield room


@pytest.fixture
def journal() -> Journal:
    return Journal()
