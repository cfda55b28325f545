"""A transaction gives its connection back whatever happens to it."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from portal.database.engine import current_engine
from portal.database.transaction import after_commit, connection, transaction, transaction_on


@pytest.fixture
async def deferred(database: None) -> None:
    """A table whose constraint fails at COMMIT, not before."""
    async with transaction() as tx:
        await tx.connection.execute(
            """
            DROP TABLE IF EXISTS late_failure, late_failure_parent;
            CREATE TABLE late_failure_parent (id int PRIMARY KEY);
            CREATE TABLE late_failure (
                id int PRIMARY KEY REFERENCES late_failure_parent (id) DEFERRABLE INITIALLY DEFERRED
            )
            """
        )


def free_connections() -> int:
    """How many connections the pool could still hand out."""
    pool = current_engine().pool
    assert pool is not None
    return int(pool.get_max_size() - pool.get_size() + pool.get_idle_size())


async def test_failed_commit_gives_the_connection_back(deferred: None) -> None:
    before = free_connections()
    for _ in range(3):
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            async with transaction() as tx:
                await tx.connection.execute("INSERT INTO late_failure VALUES (-1)")
    assert free_connections() == before


async def test_killed_backend_gives_the_connection_back(database: None) -> None:
    before = free_connections()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        async with transaction() as tx:
            await tx.connection.fetchval("SELECT pg_terminate_backend(pg_backend_pid())")
    assert free_connections() >= before


async def test_cancelled_work_gives_the_connection_back(database: None) -> None:
    before = free_connections()

    async def wait() -> None:
        async with transaction() as tx:
            await tx.connection.execute("SELECT pg_sleep(5)")

    task = asyncio.create_task(wait())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert free_connections() >= before


async def test_nested_transaction_joins_the_outer_one(database: None) -> None:
    async def fail_inside() -> None:
        async with transaction() as outer, transaction() as inner:
            assert inner is outer
            await inner.connection.execute(
                "INSERT INTO customer (name, created_at, updated_at) VALUES ('A', now(), now())"
            )
            raise LookupError

    with pytest.raises(LookupError):
        await fail_inside()
    async with transaction() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM customer") == 0


async def test_a_connection_of_its_own_joins_no_transaction_on_another(database: None) -> None:
    async with transaction(), connection() as other:
        with pytest.raises(RuntimeError, match="another connection"):
            async with transaction_on(other):
                pytest.fail("what is written in here would be committed at once")
    async with connection() as held, transaction_on(held) as outer, transaction_on(held) as inner:
        assert inner is outer


async def test_a_connection_inside_a_connection_is_the_same_one(database: None) -> None:
    async with connection() as outer, connection() as inner:
        assert inner is outer


async def test_what_waits_for_the_commit_never_runs_after_a_rollback(database: None) -> None:
    called: list[str] = []

    async def call() -> None:
        called.append("called")

    async def roll_back() -> None:
        async with transaction():
            await after_commit(call)
            raise LookupError

    with pytest.raises(LookupError):
        await roll_back()
    assert called == []
    async with transaction():
        await after_commit(call)
        assert called == []
    assert called == ["called"]
