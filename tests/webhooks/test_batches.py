"""Deliveries that wait together: one statement for all, and what happens to one happens to it alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import asyncpg
import pytest

from portal.database.transaction import Connection, DatabaseBusy, connection, transaction
from portal.webhooks import batches, inserts, intake, rings
from portal.webhooks.batches import Batches, NewEvent, Stored
from portal.webhooks.inserts import store_events
from portal.webhooks.intake import Outcome, forget_connections
from tests.builders import Connected, connect_account
from tests.webhooks.signing import at_once, deliver, event_body, signed, stored_ids


@dataclass
class Store:
    """Stores as the product does, counts the statements, and can be held up."""

    sizes: list[int] = field(default_factory=list)
    may_go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_go.set()

    async def __call__(self, held: Connection, events: Sequence[NewEvent]) -> Sequence[Stored]:
        self.sizes.append(len(events))
        await self.may_go.wait()
        return await store_events(held, events)


@pytest.fixture
async def account(database: None) -> Connected:
    forget_connections()
    return await connect_account()


@pytest.fixture
async def store(account: Connected, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """What the intake of this test stores with; the connection is remembered already."""
    store = Store()
    made = Batches(store)
    monkeypatch.setattr(intake, "_batches", made)
    await deliver(account, event_body("evt_first"), signed(event_body("evt_first")))
    store.sizes.clear()
    yield store
    await made.stop()


def send(account: Connected, event_id: str, **changes: object) -> asyncio.Task[Outcome]:
    body = event_body(event_id, **changes)
    return asyncio.create_task(deliver(account, body, signed(body)))


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_those_that_come_while_one_is_written_share_the_next_statement(
    account: Connected, store: Store
) -> None:
    store.may_go.clear()
    first = send(account, "evt_0")
    await settle()
    others = [send(account, f"evt_{number}") for number in range(1, 41)]
    await settle()
    store.may_go.set()
    assert set(await asyncio.gather(first, *others)) == {Outcome.STORED}
    assert store.sizes == [1, 40]
    assert len(await stored_ids()) == 42


async def test_a_lone_delivery_waits_for_no_other(account: Connected, store: Store) -> None:
    store.may_go.clear()
    sent = send(account, "evt_1")
    await settle()
    assert store.sizes == [1]
    store.may_go.set()
    assert await sent is Outcome.STORED


async def test_a_batch_has_an_end(account: Connected, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_EVENTS", 10)
    outcomes = await asyncio.gather(*(send(account, f"evt_{number}") for number in range(25)))
    assert set(outcomes) == {Outcome.STORED}
    assert max(store.sizes) == 10


async def test_the_same_event_four_times_in_one_batch_is_one_row_and_three_duplicates(
    account: Connected, store: Store
) -> None:
    outcomes = await asyncio.gather(*(send(account, event) for event in ("evt_a", "evt_b") for _ in range(4)))
    assert len(store.sizes) == 1
    assert sorted(outcomes) == sorted([Outcome.STORED] * 2 + [Outcome.DUPLICATE] * 6)
    assert outcomes[0] is outcomes[4] is Outcome.STORED
    assert await stored_ids() == ["evt_a", "evt_b", "evt_first"]
    async with connection() as held:
        assert await held.fetchval("SELECT count(*) FROM portal_job") == 3


async def test_each_of_a_batch_gets_its_own_outcome(account: Connected, store: Store) -> None:
    gone = await connect_account(external_id="acct_gone")
    await deliver(gone, event_body("evt_gone"), signed(event_body("evt_gone")))
    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE connected_account SET state = 'disconnected' WHERE id = $1", gone.id
        )
    outcomes = await asyncio.gather(
        send(account, "evt_1"),
        send(gone, "evt_2"),
        send(account, "evt_first"),
        send(account, "evt_3", livemode=True),
        send(account, "evt_4"),
    )
    assert list(outcomes) == [
        Outcome.STORED, Outcome.UNKNOWN, Outcome.DUPLICATE, Outcome.QUARANTINED, Outcome.STORED
    ]  # fmt: skip
    async with connection() as held:
        states = await held.fetch("SELECT external_id, state FROM webhook_event ORDER BY id")
        rung = await held.fetch("SELECT args FROM portal_job ORDER BY id")
        ids = await held.fetch("SELECT id FROM webhook_event WHERE state = 'received' ORDER BY id")
    assert [tuple(row) for row in states[2:]] == [
        ("evt_1", "received"), ("evt_3", "rejected"), ("evt_4", "received")
    ]  # fmt: skip
    assert [json.loads(row["args"])[0] for row in rung] == [row["id"] for row in ids]


async def test_a_row_that_cannot_be_stored_fails_alone(account: Connected, store: Store) -> None:
    async with transaction() as tx:
        await tx.connection.execute(
            "ALTER TABLE webhook_identity ADD CONSTRAINT bad CHECK (external_id <> 'evt_bad')"
        )
    try:
        ends = await asyncio.gather(
            send(account, "evt_1"), send(account, "evt_bad"), send(account, "evt_2"), return_exceptions=True
        )
    finally:
        async with transaction() as tx:
            await tx.connection.execute("ALTER TABLE webhook_identity DROP CONSTRAINT bad")
    assert ends[0] is ends[2] is Outcome.STORED
    assert isinstance(ends[1], asyncpg.CheckViolationError)
    assert await stored_ids() == ["evt_1", "evt_2", "evt_first"]


async def test_a_sender_that_leaves_takes_nobody_along(account: Connected, store: Store) -> None:
    store.may_go.clear()
    first, second = send(account, "evt_1"), send(account, "evt_2")
    await settle()
    third, fourth = send(account, "evt_3"), send(account, "evt_4")
    await settle()
    first.cancel()
    third.cancel()
    await settle()
    store.may_go.set()
    assert set(await asyncio.gather(second, fourth)) == {Outcome.STORED}
    for left in (first, third):
        with contextlib.suppress(asyncio.CancelledError):
            await left
    # The first was being written already; the third gave up before it was anybody's turn.
    assert await stored_ids() == ["evt_1", "evt_2", "evt_4", "evt_first"]


async def test_a_statement_that_hangs_ends_and_the_next_batch_has_another_connection(
    account: Connected, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "WRITE_SECONDS", 0.05)
    store.may_go.clear()
    hung = send(account, "evt_1")
    with pytest.raises(TimeoutError):
        await hung
    store.may_go.set()
    assert await send(account, "evt_2") is Outcome.STORED


@pytest.mark.parametrize("error", [DatabaseBusy("The database is busy."), ConnectionRefusedError()])
async def test_without_a_connection_everybody_who_waits_is_told_at_once_and_nothing_is_kept(
    account: Connected, store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    tries = []

    class NoConnection:
        async def __aenter__(self) -> Connection:
            tries.append(1)
            await asyncio.sleep(0.01)
            raise error

        async def __aexit__(self, *_: object) -> None:
            """Never reached."""

    await intake._batches.stop()
    monkeypatch.setattr(batches, "connection", NoConnection)
    ends = await asyncio.gather(*(send(account, f"evt_{n}") for n in range(5)), return_exceptions=True)
    assert [type(end) for end in ends] == [type(error)] * 5
    await settle()
    assert (len(tries), len(intake._batches._waiting)) == (1, 0)
    monkeypatch.undo()


async def test_a_separate_broker_is_rung_for_each_new_event_behind_the_answers(
    account: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[tuple[str, int]] = []
    monkeypatch.setattr(inserts, "rings_in_statement", lambda: False)
    monkeypatch.setattr(inserts, "ring_later", rung.extend)
    bodies = [event_body(f"evt_{number}") for number in range(3)] * 2
    ends = await at_once(account, [(body, signed(body)) for body in bodies])
    assert ends.count(Outcome.STORED) == 3
    async with connection() as held:
        ids = {row["id"] for row in await held.fetch("SELECT id FROM webhook_event")}
        assert await held.fetchval("SELECT count(*) FROM portal_job") == 0
    assert sorted(rung) == [("stripe.process_event", event_id) for event_id in sorted(ids)]


async def test_a_frozen_broker_keeps_nobody_waiting_and_no_more_than_so_many_rings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen, sent = asyncio.Event(), []

    class Bell:
        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None:
            await frozen.wait()

        def ring_after(self, _actor: str, event_id: int) -> None:
            sent.append(event_id)

    monkeypatch.setattr(rings, "Doorbell", Bell)
    monkeypatch.setattr(rings, "MOST_WAITING", 150)
    rings.ring_later([("stripe.process_event", number) for number in range(120)])
    await settle()
    rings.ring_later([("stripe.process_event", number) for number in range(120, 400)])
    frozen.set()
    await rings.stop_rings()
    assert sent == list(range(250))  # a hundred under way, a hundred and fifty that wait
