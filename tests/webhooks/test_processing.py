"""The inbox: attempts, leases and locks. The stories of whole events are with the plugin's tests."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest

from portal.contract.accounts import Account
from portal.contract.errors import (
    AccountAuthFailed,
    AccountNotReady,
    ProviderError,
    ProviderUnavailable,
    UnforeseenError,
)
from portal.database.engine import DEADLINES, connection_options
from portal.database.transaction import Connection, connection, transaction
from portal.sdk import Reading, StoredEvent, Subject, run_event
from portal.settings import Settings
from portal.sync.rules import retry_delay
from portal.webhooks import locks, processing
from tests.builders import Connected, connect_account

AWAY = ProviderUnavailable("Stripe could not be reached.")
BUG = UnforeseenError("An unexpected error.")
REFUSED = ProviderError("Stripe refused.")


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


async def received(account: Connected) -> StoredEvent:
    async with transaction() as tx:
        event_id = await tx.connection.fetchval(
            """
            INSERT INTO webhook_event (account, mode, external_id, type, group_id, body, due_at, received_at)
            VALUES ($1, 'test', 'evt_1', 'invoice.paid', 'in_1', '{}', now(), now()) RETURNING id
            """,
            account.id,
        )
    return await loaded(event_id)


async def loaded(event_id: int) -> StoredEvent:
    event = await processing.load_event(event_id)
    assert event is not None
    return event


async def claimed(account: Connected) -> list[StoredEvent]:
    async def take(held: Connection) -> processing.Claimed:
        return await processing.claim_events(held, account.id, "invoice:in_1", ["in_1"])

    async with locks.lock(take) as (_, found):
        return found.events


async def give_back(event: StoredEvent, error: ProviderError) -> StoredEvent:
    async with transaction() as tx:
        await processing.give_back(tx.connection, [event], error)
    return await loaded(event.id)


async def finish(events: list[StoredEvent]) -> None:
    async with transaction() as tx:
        await processing.finish_events(tx.connection, events, outcome="Paid.")


async def end_lease() -> None:
    async with transaction() as tx:
        await tx.connection.execute("UPDATE webhook_event SET lease_until = now() - interval '1 second'")


async def jobs() -> int:
    async with transaction() as tx:
        return int(await tx.connection.fetchval("SELECT count(*) FROM portal_job"))


async def test_failing_before_the_claim_counts_as_an_attempt_until_the_event_is_parked(
    account: Connected,
) -> None:
    event = await received(account)
    for attempt in range(1, processing.MAX_ATTEMPTS):
        event = await give_back(event, BUG)
        assert (event.state, event.attempts) == ("received", attempt)
    assert (await give_back(event, BUG)).state == "parked"
    assert await jobs() == processing.MAX_ATTEMPTS - 1


async def test_an_outage_of_a_day_parks_nothing(account: Connected) -> None:
    assert sum(retry_delay(attempt) for attempt in range(1, processing.MAX_OUTAGE_ATTEMPTS)) > 2 * 86_400
    event = await received(account)
    for _ in range(40):
        event = await give_back(event, AWAY)
    assert event.state == "received"


@pytest.mark.parametrize("error", [AccountAuthFailed("Refused."), AccountNotReady("A right is missing.")])
async def test_what_waits_for_a_key_or_a_right_is_never_parked(
    account: Connected, error: ProviderError
) -> None:
    event = await received(account)
    for _ in range(processing.MAX_OUTAGE_ATTEMPTS + 1):
        event = await give_back(event, error)
    assert event.state == "received"


async def test_a_worker_killed_after_polite_failures_does_not_park_the_event(account: Connected) -> None:
    event = await received(account)
    for _ in range(processing.MAX_CRASHES + 1):
        event = await give_back(event, AWAY)
    await claimed(account)
    await end_lease()
    async with transaction() as tx:
        await processing.release_due(tx.connection)
    assert (await loaded(event.id)).state == "processing"
    for _ in range(processing.MAX_CRASHES - 1):
        await claimed(account)
        await end_lease()
    async with transaction() as tx:
        await processing.release_due(tx.connection)
    assert (await loaded(event.id)).state == "parked"


async def test_failing_after_the_claim_counts_once(account: Connected) -> None:
    await received(account)
    (event,) = await claimed(account)
    assert (event.leased, event.attempts) == (True, 1)
    event = await give_back(event, AWAY)
    assert (event.leased, event.state, event.attempts) == (False, "received", 1)


async def test_an_event_that_another_worker_claimed_is_left_to_it(account: Connected) -> None:
    seen = await received(account)
    await claimed(account)
    for error in (AWAY, REFUSED):
        event = await give_back(seen, error)
        assert (event.state, event.leased, event.attempts) == ("processing", True, 1)
    assert await jobs() == 0


@pytest.mark.parametrize("error", [AWAY, REFUSED])
async def test_a_late_failure_does_not_reopen_what_another_worker_did(
    account: Connected, error: ProviderError
) -> None:
    await received(account)
    (late,) = await claimed(account)
    await end_lease()
    await finish(await claimed(account))
    assert (await give_back(late, error)).state == "processed"
    assert await jobs() == 0


async def test_a_lease_that_has_not_ended_keeps_others_out(account: Connected) -> None:
    event = await received(account)
    assert len(await claimed(account)) == 1
    assert await claimed(account) == []

    async def locate(_account: Account, _event: StoredEvent) -> Subject | str:
        raise AssertionError("somebody else is at it")

    async def read(*_: object) -> Reading:
        raise AssertionError("somebody else is at it")

    await run_event(event.id, locate=locate, read=read)
    assert (await loaded(event.id)).state == "processing"


async def test_a_lease_that_has_ended_lets_the_next_worker_in(account: Connected) -> None:
    await received(account)
    await claimed(account)
    await end_lease()
    (event,) = await claimed(account)
    assert event.attempts == 2


async def test_the_sweeper_rings_for_what_nobody_holds_alone(account: Connected) -> None:
    await received(account)
    async with transaction() as tx:
        await tx.connection.execute("UPDATE webhook_event SET due_at = now() - interval '1 minute'")
        assert await processing.release_due(tx.connection) == 1
    await claimed(account)
    async with transaction() as tx:
        assert await processing.release_due(tx.connection) == 0
    await end_lease()
    async with transaction() as tx:
        assert await processing.release_due(tx.connection) == 1


async def test_an_object_that_another_process_holds_is_busy(
    account: Connected, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert int(DEADLINES["statement_timeout"]) > locks.LOCK_SECONDS * 1000
    monkeypatch.setattr(locks, "LOCK_SECONDS", 1)
    other = await asyncpg.connect(**connection_options(settings))
    try:
        await other.execute("SELECT pg_advisory_lock($1, hashtext('invoice:in_1'))", account.id)
        with pytest.raises(locks.ObjectBusy):
            async with locks.object_lock(account.id, "invoice:in_1"):
                pass
    finally:
        await other.close()
    async with locks.object_lock(account.id, "invoice:in_1"):
        pass


async def test_events_end_while_somebody_holds_their_account(account: Connected) -> None:
    event = await received(account)
    await claimed(account)
    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE connected_account SET health_reason = 'x' WHERE id = $1", account.id
        )
        async with connection() as other, other.transaction():
            await other.execute("SET LOCAL lock_timeout = '1s'")
            await processing.finish_events(other, [event], outcome="Paid.")
    assert (await loaded(event.id)).state == "processed"


async def test_an_older_event_does_not_turn_the_clock_of_the_connection_back(account: Connected) -> None:
    event = await received(account)
    for seen in (event, replace(event, received_at=event.received_at.replace(year=2020))):
        async with transaction() as tx:
            await processing.finish_events(tx.connection, [seen], outcome="Done.")
    async with connection() as held:
        noted = await held.fetchval("SELECT last_event_at FROM connected_account WHERE id = $1", account.id)
    assert noted == event.received_at
