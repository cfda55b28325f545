"""The sync of a connection as people see and steer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from litestar import Litestar

from portal.app import create_app
from portal.audit.services import timeline
from portal.contract.plugin import LoadedPlugin
from portal.database.transaction import connection, transaction
from portal.exchange.runs import Purpose
from portal.settings import Settings
from portal.sync.queueing import queue_task
from portal.web.request import Role
from tests.builders import make_customer
from tests.exchange import listings
from tests.exchange.listings import Listing, begin, state_of, work_to_end
from tests.visitors import Visitor, add_person, sign_in_as

SYNC = "/settings/connected-accounts/acme/sync"


@pytest.fixture(scope="module")
def listing_app(settings: Settings) -> Litestar:
    """A portal with the provider that lists."""
    return create_app(settings, plugins=[LoadedPlugin("plugins.acme", Listing())])


@pytest.fixture
async def ana(listing_app: Litestar, account_id: int) -> AsyncIterator[Visitor]:
    """The owner's browser."""
    visitor = Visitor(listing_app)
    await sign_in_as(visitor, await add_person())
    yield visitor
    await visitor.http.aclose()
    assert account_id


async def the_run() -> int:
    async with connection() as held:
        found: int = await held.fetchval("SELECT max(id) FROM sync_run")
    return found


async def test_a_resync_is_started_watched_paused_resumed_and_ends_with_its_counts(
    ana: Visitor, account_id: int
) -> None:
    listings.WORLD.add_customers(7)
    form = {"account": str(account_id), "range": "all"}
    first, second = await asyncio.gather(ana.post(f"{SYNC}/start", form), ana.post(f"{SYNC}/start", form))
    assert {first.status_code, second.status_code} == {303}
    run_id = await the_run()
    assert run_id == 1
    page = (await ana.get(f"{SYNC}?account={account_id}")).text
    assert "Started by Ana Duarte" in page
    assert "Pause" in page
    assert 'name="range"' not in page
    number = {"account": str(account_id), "run": str(run_id)}
    await ana.post(f"{SYNC}/change", {**number, "to": "pause"})
    assert await state_of(run_id) == "paused"
    assert "Resume" in (await ana.get(f"{SYNC}?account={account_id}")).text
    await ana.post(f"{SYNC}/change", {**number, "to": "resume"})
    assert await work_to_end(run_id) == "done"
    card = (await ana.get(f"/settings/connected-accounts/acme?account={account_id}")).text
    assert "Last run" in card
    page = (await ana.get(f"{SYNC}?account={account_id}")).text
    assert 'data-label="Created" class="p-end p-num">7<' in page
    assert 'name="range"' in page
    late = await ana.post(f"{SYNC}/change", {**number, "to": "pause"})
    assert "does not run any more" in (await ana.get(late.headers["location"])).text
    assert "Started a resync." in (await ana.get("/audit-log")).text


async def test_progress_comes_as_fragments_for_streams_and_polls(ana: Visitor, account_id: int) -> None:
    listings.WORLD.add_customers(3)
    run_id = await begin(account_id)
    fragments = (await ana.get(f"{SYNC}/progress?account={account_id}", hx_request="true")).text
    assert 'hx-target="#sync-run"' in fragments
    assert "Waiting for a worker" in fragments
    assert "<html" not in fragments
    await work_to_end(run_id)
    fragments = (await ana.get(f"{SYNC}/progress?account={account_id}", hx_request="true")).text
    assert "Resync done: 3 read." in fragments
    assert "3 created, 0 updated, 0 unchanged, none differing" in fragments
    assert 'name="range"' in fragments


async def test_the_report_names_both_values_and_mends_by_one_press(ana: Visitor, account_id: int) -> None:
    listings.WORLD.add_invoice(1)
    await work_to_end(await begin(account_id))
    listings.WORLD.pay(1)
    await work_to_end(await begin(account_id, Purpose.COMPARISON))
    page = (await ana.get(f"{SYNC}?account={account_id}")).text
    assert "ACME-1" in page
    assert "no event about it ever arrived" in page
    assert "Repair all" in page
    answer = await ana.post(f"{SYNC}/repair", {"account": str(account_id), "object": "invoice:in_1"})
    assert "Repaired: both sides are the same again." in (await ana.get(answer.headers["location"])).text
    (noted, *_) = await timeline("connected_account", account_id)
    assert (noted.actor.name, noted.words) == ("Ana Duarte", "Took Acme's side of the invoice in_1.")
    again = await ana.post(f"{SYNC}/repair", {"account": str(account_id), "object": "invoice:in_1"})
    assert "nothing left to repair" in (await ana.get(again.headers["location"])).text


async def fail_to_rename(account_id: int) -> tuple[int, int]:
    """A change that the provider refused: its number, and the customer's."""
    customer_id = await make_customer("Initech")
    async with transaction() as tx:
        task_id = await queue_task(
            tx.connection, account_id=account_id, kind="push_customer", subject_id=customer_id
        )
        await tx.connection.execute(
            "UPDATE sync_task SET state = 'failed', error = 'The name is too long.' WHERE id = $1",
            task_id,
        )
    return task_id, customer_id


async def test_a_change_that_could_not_be_sent_is_named_with_its_reason_and_tried_again(
    ana: Visitor, account_id: int
) -> None:
    task_id, customer_id = await fail_to_rename(account_id)
    assert f"/acme/sync?account={account_id}#unsent" in (await ana.get("/")).text
    page = (await ana.get(f"{SYNC}?account={account_id}")).text
    assert f'Change the customer: <a href="/customers/{customer_id}">Initech</a>' in page
    assert "The name is too long." in page
    form = {"account": str(account_id), "task": str(task_id)}
    answer = await ana.post(f"{SYNC}/retry", form)
    page = (await ana.get(answer.headers["location"])).text
    assert "It is sent to Acme again." in page
    assert 'id="unsent"' not in page
    async with connection() as held:
        task = await held.fetchrow("SELECT state, key_generation FROM sync_task WHERE id = $1", task_id)
    assert tuple(task or ()) == ("waiting", 2)
    assert (await ana.post(f"{SYNC}/retry", form)).status_code == 404


async def test_a_connection_with_an_alarm_is_not_called_healthy_in_the_list(
    ana: Visitor, account_id: int
) -> None:
    assert "Healthy" in (await ana.get("/settings/connected-accounts")).text
    async with connection() as held:
        await held.execute(
            "INSERT INTO health_alarm (account, code, words, raised_at) VALUES ($1, 'late', '', now())",
            account_id,
        )
    page = (await ana.get("/settings/connected-accounts")).text
    assert "Needs attention" in page
    assert "Healthy" not in page


async def test_who_may_only_read_watches_and_changes_nothing(
    ana: Visitor, listing_app: Litestar, account_id: int
) -> None:
    run_id = await begin(account_id)
    viewer = Visitor(listing_app)
    await sign_in_as(viewer, await add_person(role=Role.VIEWER, email="vi@example.com", name="Vi"))
    page = await viewer.get(f"{SYNC}?account={account_id}")
    assert page.status_code == 200
    assert "Pause" not in page.text
    number = {"account": str(account_id), "run": str(run_id), "to": "stop"}
    for path, form in (
        ("start", {}),
        ("compare", {}),
        ("change", number),
        ("repair", {"object": "invoice:in_1"}),
        ("retry", {"task": "1"}),
    ):
        answer = await viewer.post(f"{SYNC}/{path}", {"account": str(account_id), **form})
        assert answer.status_code == 403
        assert (await ana.http.post(f"{SYNC}/{path}", data={"account": "1", **form})).status_code == 403
    assert (await Visitor(listing_app).get(SYNC)).status_code in (303, 401)
    assert await state_of(run_id) == "waiting"


async def test_a_run_of_another_connection_cannot_be_steered_from_here(ana: Visitor, account_id: int) -> None:
    form = {"account": str(account_id), "run": "9000000000000000000000", "to": "stop"}
    assert (await ana.post(f"{SYNC}/change", {**form, "run": "99"})).status_code == 404
    assert (await ana.post(f"{SYNC}/change", form)).status_code == 404
