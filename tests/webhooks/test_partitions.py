"""Months of the inbox: they are there before their events, and go whole once they are old and settled."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from portal.database.transaction import Connection, connection, transaction
from portal.webhooks import partitions
from portal.webhooks.partitions import drop_old_months, make_months, old_months
from tests.builders import Connected, connect_account

KEPT = 13
SETTLED, OPEN = ("processed", "ignored", "rejected"), ("received", "processing", "parked")


@pytest.fixture
async def account(database: None) -> AsyncIterator[Connected]:
    """A connection; months that a test made are gone afterwards."""
    yield await connect_account()
    async with transaction() as tx:
        await tx.connection.execute("TRUNCATE webhook_event, webhook_identity")
    await drop_old_months(KEPT)


async def store(account: Connected, *states: str, months_ago: int) -> str:
    """Events of a month that long ago, one in each state; returns the month's table."""
    async with transaction() as tx:
        at = await tx.connection.fetchval("SELECT now() - make_interval(months => $1)", months_ago)
        await tx.connection.execute("SELECT ensure_webhook_event_month($1)", at)
        for state in states:
            await tx.connection.execute(
                """
                WITH made AS (
                    INSERT INTO webhook_event
                        (id, account, mode, external_id, type, body, state, due_at, received_at)
                    SELECT n, $1, 'test', 'evt_' || n, 'invoice.paid', '{}', $2, $3::timestamptz, $3
                    FROM (SELECT webhook_event_first_id($3) + nextval('webhook_event_number') AS n) AS made
                    RETURNING *)
                INSERT INTO webhook_identity (account, mode, external_id, event)
                SELECT account, mode, external_id, id FROM made
                """,
                account.id,
                state,
                at,
            )
    return f"webhook_event_{at:%Y_%m}"


async def counted() -> tuple[int, int]:
    """Events and identities."""
    async with connection() as held:
        row = await held.fetchrow(
            "SELECT (SELECT count(*) FROM webhook_event), (SELECT count(*) FROM webhook_identity)"
        )
    assert row is not None
    return row[0], row[1]


async def test_the_next_three_months_are_there_and_made_once(account: Connected) -> None:
    async with transaction() as tx:
        ahead = await tx.connection.fetchval("SELECT now() + interval '2 months'")
        await tx.connection.execute(f'DROP TABLE "webhook_event_{ahead:%Y_%m}"')
    assert await make_months() == [f"webhook_event_{ahead:%Y_%m}"]
    assert await make_months() == []


async def test_an_old_month_goes_whole_with_its_identities_and_a_younger_one_stays(
    account: Connected,
) -> None:
    old = await store(account, *SETTLED, months_ago=KEPT + 1)
    await store(account, *SETTLED, months_ago=KEPT)
    assert await counted() == (6, 6)

    assert await drop_old_months(KEPT) == [old]

    assert await counted() == (3, 3)
    assert await drop_old_months(KEPT) == []


@pytest.mark.parametrize("state", OPEN)
async def test_a_month_with_an_open_event_stays_with_all_it_holds(
    account: Connected, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    kept = await store(account, "processed", state, months_ago=KEPT + 1)
    gone = await store(account, "processed", months_ago=KEPT + 2)

    assert await drop_old_months(KEPT) == [gone]

    assert await counted() == (2, 2)
    assert [month.name for month in await old_months(KEPT)] == [kept]
    assert kept in caplog.text


async def test_a_month_is_asked_for_open_events_without_being_read(account: Connected) -> None:
    month = await store(account, *["processed"] * 300, months_ago=KEPT + 1)
    async with transaction() as tx:
        await tx.connection.execute(f'ANALYZE "{month}"')
        plan = await tx.connection.fetch(f"EXPLAIN {partitions.HAS_OPEN.format(month)}")
    assert "Seq Scan" not in str(plan)


async def test_identities_that_a_killed_run_left_behind_are_forgotten_batch_by_batch(
    account: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "BATCH", 2)
    gone = await store(account, *SETTLED, months_ago=KEPT + 1)
    async with transaction() as tx:
        await tx.connection.execute(f'DROP TABLE "{gone}"')
    assert await counted() == (0, 3)
    await drop_old_months(KEPT)
    assert await counted() == (0, 0)


async def test_a_month_is_made_while_its_events_still_come_in_and_all_of_them_move_there(
    account: Connected,
) -> None:
    """As when nobody made months for long: the default holds them until then."""
    later = datetime.now(UTC) + timedelta(days=400)
    name = f"webhook_event_{later:%Y_%m}"

    async def arrives(held: Connection, number: int) -> None:
        await held.execute(
            "INSERT INTO webhook_event (id, account, mode, external_id, type, body, due_at, received_at) "
            "VALUES (webhook_event_first_id($1) + $2, $3, 'test', 'evt_' || $2::text, 'x', '', now(), now())",
            later,
            number,
            account.id,
        )

    async with transaction() as tx:
        await arrives(tx.connection, 1)
    async with transaction() as arriving:
        await arrives(arriving.connection, 2)
        making = asyncio.create_task(_make(later), context=contextvars.Context())
        _, waits = await asyncio.wait({making}, timeout=0.3)
        assert waits
    assert await making == name
    async with connection() as held:
        where = "SELECT count(*) FROM webhook_event WHERE tableoid::regclass::text = $1"
        assert await held.fetchval(where, name) == 2
        await held.execute(f'DROP TABLE "{name}"')


async def _make(at: datetime) -> str:
    async with connection() as held:
        made: str = await held.fetchval("SELECT ensure_webhook_event_month($1)", at)
    return made


async def test_a_new_event_lies_in_the_month_that_runs(account: Connected) -> None:
    await make_months()
    async with connection() as held:
        name = await held.fetchval(
            "INSERT INTO webhook_event (account, mode, external_id, type, body, due_at, received_at) "
            "VALUES ($1, 'test', 'evt_1', 'x', '', now(), now()) RETURNING tableoid::regclass::text",
            account.id,
        )
    assert name == f"webhook_event_{datetime.now(UTC):%Y_%m}"
