"""What was never delivered is found in the provider's own list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.contract.errors import ProviderUnavailable
from portal.contract.work import EventPage
from portal.database.transaction import connection, transaction
from portal.exchange import walks
from portal.exchange.runs import Purpose
from portal.exchange.walks import ring_for_walks, walk_account
from portal.exchange.work import run_event
from tests.exchange import listings
from tests.exchange.listings import Listing


async def stored() -> list[tuple[str, str]]:
    async with connection() as held:
        rows = await held.fetch("SELECT external_id, origin FROM webhook_event ORDER BY id")
    return [(row["external_id"], row["origin"]) for row in rows]


async def walked_to(account_id: int, at: datetime) -> None:
    async with connection() as held:
        await held.execute(
            "INSERT INTO event_walk (account, mode, walked_to) VALUES ($1, 'test', $2) "
            "ON CONFLICT (account) DO UPDATE SET walked_to = $2",
            account_id,
            at,
        )


async def test_events_that_were_never_delivered_are_stored_once_and_handled(account_id: int) -> None:
    now = datetime.now(UTC)
    for number in range(5):
        listings.WORLD.add_invoice(number)
        listings.WORLD.pay(number)
        listings.WORLD.tell(number, now - timedelta(minutes=number))
    await walked_to(account_id, now - timedelta(minutes=8))
    assert await walk_account(account_id) == 5
    assert await walk_account(account_id) == 0
    assert sorted(await stored()) == [(f"evt_{number}", "list") for number in range(5)]
    async with connection() as held:
        rung = await held.fetch(
            "SELECT args->>0 AS id FROM portal_job WHERE actor_name = 'acme.process_event'"
        )
        assert len(rung) == 5
        walk = await held.fetchrow("SELECT found, error, after, walked_to > $1 AS moved FROM event_walk", now)
    assert dict(walk or {}) == {"found": 5, "error": "", "after": None, "moved": True}
    plugin = Listing()
    for row in rung:
        await run_event(int(row["id"]), locate=listings.locate, read=plugin.read)
    async with connection() as held:
        paid = await held.fetchval("SELECT count(*) FROM invoice WHERE status = 'paid'")
    assert paid == 5


async def test_a_walk_that_breaks_off_moves_on_only_when_every_page_is_stored(
    account_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    begun = now - timedelta(minutes=30)
    for number in range(6):
        listings.WORLD.tell(number, now - timedelta(minutes=number))
    await walked_to(account_id, begun)
    list_events = Listing.list_events

    async def breaks_off(self: Listing, account: object, *, since: datetime, after: str | None) -> object:
        if after == "2":
            raise ProviderUnavailable("Acme is away.")
        # The account is handed on as it came.
        return await list_events(self, account, since=since, after=after)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Listing, "list_events", breaks_off)
        await walk_account(account_id)
    async with connection() as held:
        row = await held.fetchrow("SELECT walked_to, after, error FROM event_walk")
    assert dict(row or {}) == {"walked_to": begun, "after": "2", "error": "Acme is away."}
    assert await walk_account(account_id) == 4
    assert len(await stored()) == 6


async def test_a_page_of_events_that_nobody_wants_does_not_end_the_walk(
    account_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    for number in range(4):
        listings.WORLD.tell(number, now - timedelta(minutes=number))
    await walked_to(account_id, now - timedelta(minutes=30))
    list_events = Listing.list_events

    async def leaves_out(self: Listing, account: Any, *, since: datetime, after: str | None) -> EventPage:
        page = await list_events(self, account, since=since, after=after)
        assert page is not None
        return page if after else EventPage([], page.after)

    monkeypatch.setattr(Listing, "list_events", leaves_out)
    assert await walk_account(account_id) == 2
    assert sorted(await stored()) == [("evt_2", "list"), ("evt_3", "list")]


async def test_after_more_than_the_list_keeps_everything_is_read_again(account_id: int) -> None:
    await walked_to(account_id, datetime.now(UTC) - timedelta(days=40))
    await walk_account(account_id)
    async with connection() as held:
        run = await held.fetchrow("SELECT purpose, range_from, started_by FROM sync_run")
        words = await held.fetchval("SELECT error FROM event_walk")
    assert dict(run or {}) == {"purpose": "resync", "range_from": None, "started_by": ""}
    assert "40 days" in words


async def test_everything_is_read_again_once_however_often_the_list_cannot_be_read(
    account_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await walked_to(account_id, datetime.now(UTC) - timedelta(days=40))

    async def refused(*_: object, **__: object) -> None:
        raise ProviderUnavailable("Acme is away.")

    async def no_list(*_: object, **__: object) -> None:
        return None

    for answer in (refused, no_list):
        with monkeypatch.context() as patched:
            patched.setattr(Listing, "list_events", answer)
            await walk_account(account_id)
    async with connection() as held:
        assert await held.fetchval("SELECT count(*) FROM sync_run") == 0


async def test_a_walk_that_fails_for_a_reason_nobody_foresaw_says_so(
    account_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stumbles(*_: object, **__: object) -> None:
        raise KeyError("data")

    monkeypatch.setattr(Listing, "list_events", stumbles)
    assert await walk_account(account_id) == 0
    async with connection() as held:
        assert "reference" in await held.fetchval("SELECT error FROM event_walk")


async def test_a_walk_that_comes_too_late_waits_for_the_end_of_another_run(account_id: int) -> None:
    await walked_to(account_id, datetime.now(UTC) - timedelta(days=40))
    comparison = await listings.begin(account_id, Purpose.COMPARISON)
    await walk_account(account_id)
    assert await listings.work_to_end(comparison) == "done"
    for _ in range(2):
        await walk_account(account_id)
    async with connection() as held:
        runs = await held.fetch("SELECT purpose FROM sync_run ORDER BY id")
    assert [run["purpose"] for run in runs] == ["comparison", "resync"]


async def test_a_walk_does_not_move_on_past_a_disconnect(
    account_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    listings.WORLD.tell(1, now)
    await walked_to(account_id, now - timedelta(hours=1))
    list_events = Listing.list_events

    async def disconnects(self: Listing, account: Any, *, since: datetime, after: str | None) -> object:
        async with connection() as held:
            await held.execute("UPDATE connected_account SET state = 'disconnected'")
        return await list_events(self, account, since=since, after=after)

    with monkeypatch.context() as patched:
        patched.setattr(Listing, "list_events", disconnects)
        assert await walk_account(account_id) == 0
    async with connection() as held:
        await held.execute("UPDATE connected_account SET state = 'ready'")
    assert await walk_account(account_id) == 1


async def test_each_account_is_walked_every_five_minutes_and_not_more_often(account_id: int) -> None:
    async with transaction() as tx:
        await ring_for_walks(tx.connection)
    async with transaction() as tx:
        await tx.connection.execute("UPDATE event_walk SET ran_at = now() - $1::interval * 1.1", walks.EVERY)
        assert await ring_for_walks(tx.connection) == 1
        assert await ring_for_walks(tx.connection) == 0
        assert await tx.connection.fetchval("SELECT walked_to = connected_at FROM event_walk w "
                                            "JOIN connected_account a ON a.id = w.account")  # fmt: skip
