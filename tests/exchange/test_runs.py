"""A run reads every object once, whatever happens to its worker."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from portal.accounts.connections import NewConnection, save_connection
from portal.accounts.endpoints import pending_endpoint
from portal.accounts.services import load_account
from portal.audit.services import SYSTEM
from portal.contract.errors import AccountAuthFailed, ProviderUnavailable
from portal.contract.secrets import Secret
from portal.contract.work import ListedKind, PageWanted
from portal.database.transaction import connection, transaction
from portal.exchange import run_pages, run_work
from portal.exchange.cursors import CursorMoved, Moved, make_cursors, move_cursor, open_cursors
from portal.exchange.fences import pass_fence
from portal.exchange.run_work import work_on_run
from portal.exchange.runs import RunEnded, pause_run, resume_run, ring_for_runs, stop_run
from portal.failpoints import Failpoint
from portal.settings import current_settings
from tests.accounts.fakes import ANA, CREDENTIALS
from tests.exchange import listings
from tests.exchange.listings import PER_PAGE, Listing, begin, forget_lease, state_of, totals, work_to_end

PLACES = (Failpoint.RUN_PAGE_READ, Failpoint.RUN_PAGE_WRITTEN, Failpoint.RUN_PAGE_COMMITTED)


class Killed(BaseException):
    """The process ended here."""


def dying(place: Failpoint, page: int) -> Callable[[Failpoint], None]:
    """Ends the process at a place when it gets there for that many times."""
    reached = itertools.count(1)

    def die(here: Failpoint) -> None:
        if here is place and next(reached) == page:
            raise Killed

    return die


async def links() -> int:
    async with connection() as held:
        found: int = await held.fetchval("SELECT count(*) FROM customer_link")
    return found


async def test_a_worker_that_dies_at_any_place_leaves_no_gap_and_no_double(
    account_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, page in itertools.product(PLACES, (1, 4)):
        listings.WORLD.add_customers(43)
        run_id, before = await begin(account_id), await links()
        with monkeypatch.context() as patched:
            patched.setattr(run_pages, "reach", dying(place, page))
            with pytest.raises(Killed):
                await work_on_run(run_id)
        assert await work_to_end(run_id) == "running"  # whoever was killed still has the lease
        await forget_lease(run_id)
        assert await work_to_end(run_id) == "done"
        assert await links() == len(listings.WORLD.things["customers"])
        found = await totals(run_id)
        assert (found["seen"], found["created"], found["unchanged"]) == (before + 43, 43, before)


async def test_slices_are_cut_while_lanes_are_free_and_meet_without_overlap(account_id: int) -> None:
    listings.WORLD.add_customers(200)
    run_id = await begin(account_id)
    assert await work_to_end(run_id) == "done"
    async with connection() as held:
        rows = await held.fetch(
            "SELECT slice_from, slice_to FROM sync_cursor WHERE run = $1 AND kind = 'customers' "
            "ORDER BY slice_to DESC",
            run_id,
        )
    assert len(rows) > run_work.LANES
    assert [row["slice_from"] for row in rows[:-1]] == [row["slice_to"] for row in rows[1:]]
    assert rows[-1]["slice_from"] is None
    assert (await totals(run_id))["seen"] == 200


async def test_a_second_run_finds_everything_unchanged(account_id: int) -> None:
    listings.WORLD.add_customers(12)
    await work_to_end(await begin(account_id))
    run_id = await begin(account_id)
    assert await work_to_end(run_id) == "done"
    found = await totals(run_id)
    assert (found["seen"], found["unchanged"], found["created"]) == (12, 12, 0)


async def test_two_starts_at_once_are_one_run(account_id: int) -> None:
    one, other = await asyncio.gather(begin(account_id), begin(account_id))
    assert one == other


async def test_two_workers_never_share_a_run(account_id: int) -> None:
    listings.WORLD.add_customers(30)
    run_id = await begin(account_id)
    await asyncio.gather(work_on_run(run_id), work_on_run(run_id))
    assert await state_of(run_id) == "done"
    assert (await totals(run_id))["seen"] == 30


async def test_a_worker_whose_run_was_taken_over_writes_nothing_more(account_id: int) -> None:
    listings.WORLD.add_customers(10)
    run_id = await begin(account_id)

    async def lose(_: PageWanted) -> None:
        listings.WORLD.hook = None
        await forget_lease(run_id)
        await work_on_run(run_id)

    listings.WORLD.hook = lose
    await work_on_run(run_id)
    assert await state_of(run_id) == "done"
    assert (await totals(run_id))["seen"] == 10


async def test_a_worker_whose_run_was_stopped_meanwhile_writes_nothing_more(account_id: int) -> None:
    listings.WORLD.add_customers(3)
    run_id = await begin(account_id)

    async def stop(_: PageWanted) -> None:
        await forget_lease(run_id)
        await stop_run(run_id, actor=SYSTEM)

    listings.WORLD.hook = stop
    await work_on_run(run_id)
    assert await state_of(run_id) == "stopped"
    assert await links() == 0


async def test_a_page_moves_its_slice_once(account_id: int) -> None:
    run_id, until = await begin(account_id), datetime.now(UTC)
    async with transaction() as tx:
        await make_cursors(tx.connection, run_id, [("customers", None)], until)
        cursor = (await open_cursors(tx.connection, run_id, "customers"))[0]
        page = Moved("a", until, seen=5, created=5, updated=0, unchanged=0, differing=0)
        assert (await move_cursor(tx.connection, cursor, page)).after == "a"
        with pytest.raises(CursorMoved):
            await move_cursor(tx.connection, cursor, page)


async def test_a_run_pauses_keeps_its_place_and_goes_on(
    account_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_work, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(run_work, "LANES", 1)
    listings.WORLD.add_customers(40)
    run_id = await begin(account_id)

    async def ask_to_pause(_: PageWanted) -> None:
        if len(listings.WORLD.asked) == 2:
            await pause_run(run_id, actor=SYSTEM)
            await asyncio.sleep(0.1)

    listings.WORLD.hook = ask_to_pause
    assert await work_to_end(run_id) == "paused"
    before = (await totals(run_id))["seen"]
    assert before == 2 * PER_PAGE
    await work_on_run(run_id)
    assert (await totals(run_id))["seen"] == before
    await resume_run(run_id, actor=SYSTEM)
    assert await work_to_end(run_id) == "done"
    assert (await totals(run_id))["created"] == 40


async def test_a_worker_that_is_asked_to_end_or_whose_time_is_up_gives_the_run_back_at_once(
    account_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_work, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(run_work, "STRETCH_SECONDS", 0.05)
    listings.WORLD.add_customers(300)
    run_id, asked = await begin(account_id), asyncio.Event()

    async def slow(_: PageWanted) -> None:
        asked.set()
        await asyncio.sleep(0.02)

    listings.WORLD.hook = slow
    working = asyncio.create_task(work_on_run(run_id))
    await asked.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await state_of(run_id) == "waiting"
    await work_on_run(run_id)
    async with connection() as held:
        row = await held.fetchrow("SELECT state, owner, lease_until, busy_seconds > 0 AS busy FROM sync_run")
        rung = await held.fetchval("SELECT count(*) FROM portal_job WHERE actor_name = 'portal.work_on_run'")
    assert dict(row or {}) == {"state": "waiting", "owner": "", "lease_until": None, "busy": True}
    assert rung > 1
    assert await work_to_end(run_id, stretches=60) == "done"
    assert await links() == 300


async def test_a_run_that_waits_stops_at_once_and_cannot_go_on(account_id: int) -> None:
    run_id = await begin(account_id)
    await stop_run(run_id, actor=SYSTEM)
    assert await state_of(run_id) == "stopped"
    with pytest.raises(RunEnded):
        await resume_run(run_id, actor=SYSTEM)
    with pytest.raises(RunEnded):
        await pause_run(run_id, actor=SYSTEM)
    assert await begin(account_id) != run_id


async def test_a_busy_provider_delays_a_run_with_words_and_a_refused_key_ends_it(account_id: int) -> None:
    listings.WORLD.add_customers(9)
    run_id = await begin(account_id)

    async def busy(_: PageWanted) -> None:
        raise ProviderUnavailable("Acme asks us to slow down.", retry_after=60)

    listings.WORLD.hook = busy
    assert await work_to_end(run_id, stretches=2) == "waiting"
    async with connection() as held:
        row = await held.fetchrow("SELECT error, due_at > now() + interval '50 s' AS later FROM sync_run")
        assert dict(row or {}) == {"error": "Acme asks us to slow down.", "later": True}

    async def refuse(_: PageWanted) -> None:
        raise AccountAuthFailed("Acme refused this key.", hint="Enter a new one.")

    listings.WORLD.hook = refuse
    await forget_lease(run_id)
    assert await work_to_end(run_id) == "failed"
    listings.WORLD.hook = None
    await resume_run(run_id, actor=SYSTEM)
    assert await work_to_end(run_id) == "done"
    assert await links() == 9


async def test_a_disconnect_in_the_middle_stops_the_run(account_id: int) -> None:
    listings.WORLD.add_customers(9)
    run_id = await begin(account_id)

    async def disconnect(_: PageWanted) -> None:
        async with connection() as held:
            await held.execute("UPDATE connected_account SET state = 'disconnected'")

    listings.WORLD.hook = disconnect
    assert await work_to_end(run_id) == "stopped"
    assert await links() == 0


async def test_an_object_that_the_cursor_names_may_be_deleted_meanwhile(account_id: int) -> None:
    listings.WORLD.add_customers(14)

    async def delete_last(wanted: PageWanted) -> None:
        kept = listings.WORLD.things["customers"]
        listings.WORLD.things["customers"] = [thing for thing in kept if thing.key != wanted.after]

    listings.WORLD.hook = delete_last
    run_id = await begin(account_id)
    assert await work_to_end(run_id) == "done"
    assert await links() == 14


async def test_what_newer_news_overtook_changes_nothing(account_id: int) -> None:
    listings.WORLD.add_customers(3)
    run_id = await begin(account_id)

    async def overtake(_: PageWanted) -> None:
        async with connection() as held:
            await held.execute(
                "INSERT INTO object_reading (account, mode, object_key, read_at) "
                "VALUES ($1, 'test', 'customer:cus_1', clock_timestamp()) ON CONFLICT DO NOTHING",
                account_id,
            )

    listings.WORLD.hook = overtake
    assert await work_to_end(run_id) == "done"
    assert await links() == 2
    assert (await totals(run_id))["unchanged"] == 1


async def test_a_page_that_tells_a_part_of_its_objects_is_read_again_when_newer_news_overtook_it(
    account_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listing, "listed_kinds", (ListedKind("invoices", "Invoices", in_order=True),))
    listings.WORLD.add_invoice(1)
    account = await load_account(account_id)

    async def newer(_wanted: PageWanted) -> None:
        if len(listings.WORLD.asked) > 2:
            return
        async with transaction() as tx:
            now = await tx.connection.fetchval("SELECT clock_timestamp()")
            await pass_fence(tx.connection, account, "invoice:in_1", began=now)

    listings.WORLD.hook = newer
    run_id = await begin(account_id)
    assert await work_to_end(run_id) == "done"
    assert ((await totals(run_id))["created"], len(listings.WORLD.asked)) == (1, 3)


async def test_the_sweeper_rings_for_what_nobody_holds(account_id: int) -> None:
    run_id = await begin(account_id)
    async with connection() as held:
        await held.execute("DELETE FROM portal_job")
        assert await ring_for_runs(held) == 1
        await held.execute(
            "UPDATE sync_run SET state = 'running', lease_until = now() + $1 WHERE id = $2",
            timedelta(seconds=20),
            run_id,
        )
        assert await ring_for_runs(held) == 0


async def test_connecting_starts_a_first_run_that_limits_invoices_alone(account_id: int) -> None:
    listings.WORLD.add_customers(2, apart=timedelta(days=700))
    listings.WORLD.add_invoice(1)
    plugin = Listing()
    async with connection() as held:
        await held.execute("UPDATE connected_account SET state = 'disconnected'")
    credentials = {name: Secret(value) for name, value in CREDENTIALS.items()}
    identity = await plugin.identify(credentials, current_settings())
    new = NewConnection(plugin, credentials, identity, await pending_endpoint("acme"))
    assert await save_connection(new, actor=ANA) == account_id
    async with connection() as held:
        run_id = await held.fetchval(
            "SELECT id FROM sync_run WHERE purpose = 'first' AND started_by = $1", ANA.name
        )
    assert await work_to_end(run_id) == "done"
    ranges = {wanted.kind: wanted.since for wanted in listings.WORLD.asked}
    assert ranges["customers"] is None
    assert ranges["invoices"] is not None
    assert (await totals(run_id))["created"] == 3
