"""Nothing that was read earlier is written over something that was read later, whoever read it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.contract.accounts import Account
from portal.contract.facts import CustomerSeen
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Plugin
from portal.contract.work import Reading, StoredEvent, Subject
from portal.database.transaction import transaction
from portal.exchange.applying import apply_reading
from portal.exchange.failures import ReadingOvertaken
from portal.exchange.fences import pass_fence, pass_fences, reading_begins
from portal.exchange.work import MOST_READS, refresh_subject, run_event, run_task
from portal.sdk import Task, load_account
from portal.sync.queueing import queue_task
from portal.webhooks.attempts import AttemptKind, read_history
from tests.builders import Connected, connect_account

CUSTOMER = Subject("customer:cus_1", ("cus_1",))


@pytest.fixture
async def connected(database: None) -> Connected:
    return await connect_account()


@pytest.fixture
async def account(connected: Connected) -> Account:
    return await load_account(connected.id)


def seen(name: str, *, key: str = "") -> Reading:
    fact = CustomerSeen("cus_1", name, None, None, deleted=False, occurred_at=datetime.now(UTC))
    return Reading(facts=(fact,), key=key)


async def received(account: Account) -> int:
    return int(
        await value(
            """
            INSERT INTO webhook_event (account, mode, external_id, type, group_id, body, due_at, received_at)
            VALUES ($1, 'test', 'evt_1', 'customer.updated', 'cus_1', '{}', now(), now()) RETURNING id
            """,
            account.id,
        )
    )


async def value(query: str, *arguments: object) -> Any:
    async with transaction() as tx:
        return await tx.connection.fetchval(query, *arguments)


async def written_elsewhere(account: Account, name: str) -> None:
    """Somebody without the object's lock reads and writes: a page of a resync, the answer to a task."""
    async with transaction() as tx:
        began = await reading_begins(tx.connection)
        assert await pass_fence(tx.connection, account, CUSTOMER.key, began=began)
        await apply_reading(tx.connection, account, seen(name))


Read = Callable[[Account, Subject, Sequence[StoredEvent]], Awaitable[Reading]]


def overtaken(times: int) -> Read:
    """Reads what is current, and is slow: so often something newer is written before it is done."""
    names = [f"Read {number}" for number in range(times + 1)]

    async def read(account: Account, _subject: Subject, _events: Sequence[StoredEvent]) -> Reading:
        name = names.pop(0)
        if names:
            await _beside(written_elsewhere(account, f"Newer than {name}"))
        return seen(name)

    return read


async def _beside(work: Coroutine[None, None, None]) -> None:
    """As another process would: on a connection of its own."""
    await asyncio.get_running_loop().create_task(work, context=contextvars.Context())


async def locate(_account: Account, _event: StoredEvent) -> Subject:
    return CUSTOMER


async def test_what_was_overtaken_while_it_was_read_is_read_again(account: Account) -> None:
    event_id = await received(account)
    await run_event(event_id, locate=locate, read=overtaken(1))
    assert await value("SELECT name FROM customer_link") == "Read 1"
    assert await value("SELECT state FROM webhook_event") == "processed"


async def test_what_is_overtaken_all_the_time_waits_and_overwrites_nothing(account: Account) -> None:
    event_id = await received(account)
    await run_event(event_id, locate=locate, read=overtaken(MOST_READS))
    assert await value("SELECT name FROM customer_link") == f"Newer than Read {MOST_READS - 1}"
    assert (
        await value("SELECT (state, error_code)::text FROM webhook_event") == "(received,READING_OVERTAKEN)"
    )
    (entry,) = read_history(await value("SELECT history FROM webhook_event"))
    assert (entry.kind, entry.attempt, entry.code) == (AttemptKind.FAILED, 1, "READING_OVERTAKEN")
    assert entry.next_at is not None
    assert entry.next_at > entry.at


async def test_of_two_readings_that_overlap_one_alone_is_written(account: Account) -> None:
    async with transaction() as tx:
        held = tx.connection
        first, second = await reading_begins(held), await reading_begins(held)
        assert await pass_fence(held, account, "invoice:in_1", began=first)
        assert not await pass_fence(held, account, "invoice:in_1", began=second)
        later = await reading_begins(held)
        passed = await pass_fences(held, account, ["invoice:in_2", "invoice:in_1"], began=later)
        assert passed == {"invoice:in_1", "invoice:in_2"}


async def test_a_clock_that_was_put_back_keeps_nobody_out(account: Account) -> None:
    async with transaction() as tx:
        held = tx.connection
        assert await pass_fence(held, account, "invoice:in_1", began=await reading_begins(held))
        await held.execute(
            "UPDATE object_reading SET read_at = $1", datetime.now(UTC) + timedelta(minutes=10)
        )
        assert await pass_fence(held, account, "invoice:in_1", began=await reading_begins(held))


async def test_a_refresh_ends_the_open_events_of_its_object(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await received(account)
    monkeypatch.setattr(plugin(), "read", overtaken(0))
    assert await refresh_subject(account, CUSTOMER) != ""
    assert await value("SELECT state FROM webhook_event") == "processed"


async def test_a_refresh_that_fails_gives_its_events_back(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await received(account)
    monkeypatch.setattr(plugin(), "read", overtaken(MOST_READS))
    with pytest.raises(ReadingOvertaken):
        await refresh_subject(account, CUSTOMER)
    assert await value("SELECT (state, attempts)::text FROM webhook_event") == "(received,1)"


async def test_the_answer_to_a_task_does_not_overwrite_what_was_read_meanwhile(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with transaction() as tx:
        task_id = await queue_task(tx.connection, account_id=account.id, kind="update", subject_id=1)
    monkeypatch.setattr(plugin(), "read", overtaken(0))

    async def update(account: Account, _task: Task) -> Reading:
        await written_elsewhere(account, "Written meanwhile")
        return seen("Answer", key=CUSTOMER.key)

    await run_task(task_id, {"update": update})
    assert await value("SELECT name FROM customer_link") == "Read 0"
    assert await value("SELECT state FROM sync_task") == "done"


def plugin() -> Plugin:
    found = plugin_by_id("stripe")
    assert found is not None
    return found
