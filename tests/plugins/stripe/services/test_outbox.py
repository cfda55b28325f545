"""Whatever happens to a call, at rest the change is there once: every kind of task against every fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway import changes
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.publishing import run_sync_task
from portal.audit.services import SYSTEM
from portal.connected.unsent import unsent_of
from portal.customers.services import CustomerProfile, update_customer
from portal.database.transaction import transaction
from portal.errors import Conflict
from portal.exchange.choices import resolve
from portal.exchange.work import run_task
from portal.invoices import closing
from portal.invoices import services as invoices
from portal.money import Money
from portal.subscriptions.services import request_change
from portal.sync.differences import Difference, differences_of, find_difference, note_difference
from tests.builders import Connected, make_invoice
from tests.plugins.stripe.services.errands import (
    ERRANDS,
    TOTAL,
    Errand,
    World,
    planted_subscription,
    refund,
    rename,
)
from tests.plugins.stripe.services.stories import published_invoice, retry_now, task_of, value

DAY_AND_MORE = 25 * 3600
FAULTS: dict[str, dict[str, Any]] = {
    "asked to slow down": {"status": 429, "headers": {"Retry-After": "2"}},
    "a failure that is stored": {"status": 500},
    "an answer that is lost": {"drop": "after"},
    "an answer that is lost, and the key forgotten": {"drop": "after"},
}


@pytest.fixture
def world(account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services) -> World:
    return World(account, sandbox, stripe)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("make", ERRANDS, ids=lambda make: str(make.__name__))
async def test_the_change_is_there_once(
    world: World, make: Callable[[World], Awaitable[Errand]], fault: str
) -> None:
    errand = await make(world)
    world.sandbox.add_fault(match=errand.route, times=1, **FAULTS[fault])
    await run_sync_task(errand.task)
    state, later = await value(
        "SELECT ARRAY[state, (due_at > now())::text] FROM sync_task WHERE id = $1", errand.task
    )
    assert (state, later) == ("waiting" if "slow" in fault else "unknown", "true")
    if "forgotten" in fault:
        await value("UPDATE sync_task SET created_at = created_at - interval '25 hours'")
        world.sandbox.advance(DAY_AND_MORE)
    await value("DELETE FROM call_budget")  # nobody waits here for the pause that was asked for
    await value("UPDATE sync_task SET due_at = now() WHERE id = $1", errand.task)
    await asyncio.gather(*(run_sync_task(errand.task) for _ in range(4)))
    assert await value("SELECT state FROM sync_task WHERE id = $1", errand.task) == "done"
    await errand.check()


async def test_what_is_asked_while_it_is_being_done_is_done_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await rename(world)
    real = changes.update_customer

    async def renamed_meanwhile(*arguments: Any, **named: Any) -> None:
        monkeypatch.setattr(changes, "update_customer", real)
        await real(*arguments, **named)
        await rename_again(await value("SELECT id FROM customer"), "Globex Trust")

    monkeypatch.setattr(changes, "update_customer", renamed_meanwhile)
    await run_sync_task(first.task)
    assert await value("SELECT state FROM sync_task WHERE id = $1", first.task) == "waiting"
    await run_sync_task(first.task)
    assert await value("SELECT state FROM sync_task WHERE id = $1", first.task) == "done"
    (theirs,) = world.stripe.customers.list().data
    assert theirs.name == "Globex Trust"


async def test_the_same_change_a_second_time_is_not_the_first_answer_again(world: World) -> None:
    first = await rename(world)
    await run_sync_task(first.task)
    await first.check()
    customer = await value("SELECT id FROM customer")
    for name in ("Globex", "Globex Holding"):
        await rename_again(customer, name)
        await run_sync_task(first.task)
        (theirs,) = world.stripe.customers.list().data
        assert theirs.name == name
    assert await value("SELECT count(*) FROM sync_task WHERE kind = 'push_customer'") == 1


async def test_a_person_who_asks_again_sets_a_failed_task_going(world: World) -> None:
    errand = await rename(world)
    world.sandbox.add_fault(match=errand.route, status=400, times=1)
    await run_sync_task(errand.task)
    assert await value("SELECT state FROM sync_task WHERE id = $1", errand.task) == "failed"
    await rename_again(await value("SELECT id FROM customer"), "Globex Trust")
    await run_sync_task(errand.task)
    assert world.stripe.customers.list().data[0].name == "Globex Trust"


async def test_a_refund_that_stripe_refuses_is_over_and_its_money_free_again(world: World) -> None:
    errand = await refund(world)
    world.sandbox.add_fault(match=errand.route, status=400, message="The balance is too low.", times=1)
    await run_sync_task(errand.task)
    assert [one.may_retry for one in await unsent_of(world.account.id)] == [False]
    assert await value("SELECT status || ': ' || failure FROM refund") == "failed: The balance is too low."
    intent = str(await value("SELECT payment_external_id FROM refund"))
    wanted = closing.RefundRequest(intent, Money(TOTAL, "usd"))
    await closing.request_refund(await value("SELECT invoice FROM refund"), wanted, actor=SYSTEM)
    await run_sync_task(await world.waiting("send_refund"))
    assert [theirs.amount for theirs in world.stripe.refunds.list().data] == [TOTAL]


async def test_a_provider_that_cannot_do_it_says_so(world: World) -> None:
    errand = await rename(world)
    await run_task(errand.task, {})
    assert "cannot be told" in await value("SELECT error FROM sync_task WHERE id = $1", errand.task)


async def test_a_name_that_was_changed_there_too_is_not_overwritten(world: World) -> None:
    errand = await rename(world)
    (theirs,) = world.stripe.customers.list().data
    world.stripe.customers.update(theirs.id, {"name": "Globex Inc"})
    await run_sync_task(errand.task)
    assert world.stripe.customers.retrieve(theirs.id).name == "Globex Inc"
    assert world.stripe.customers.retrieve(theirs.id).email == "holding@globex.example"
    (conflict,) = await differences_of("customer", await value("SELECT id FROM customer"))
    assert (conflict.field, conflict.ours, conflict.theirs) == ("name", "Globex Holding", "Globex Inc")
    await resolve(conflict.id, "ours", seen=conflict.seen, actor=SYSTEM)
    await run_sync_task(errand.task)
    await errand_is_done(world, "Globex Holding")


async def errand_is_done(world: World, name: str) -> None:
    """Both sides have this name, and nothing is open."""
    assert world.stripe.customers.list().data[0].name == name
    assert await value("SELECT name FROM customer") == name
    assert await value("SELECT count(*) FROM sync_difference WHERE state = 'open'") == 0


async def test_what_differs_in_stripes_copy_is_noted_until_somebody_chooses(world: World) -> None:
    world.sandbox.add_fault(match="POST /v1/invoices/*/finalize", status=429, times=1)
    invoice_id = await make_invoice()
    task = await task_of(invoice_id)
    await run_sync_task(task)
    await value("DELETE FROM call_budget")
    external_id = str(await value("SELECT external_id FROM invoice"))
    world.stripe.invoices.update(external_id, {"description": "Net 30"})
    await retry_now(task)
    await world.refresh(f"invoice:{external_id}")
    (conflict,) = await differences_of("invoice", invoice_id)
    assert (conflict.field, conflict.ours, conflict.theirs) == ("memo", "", "Net 30")
    await resolve(conflict.id, "ours", seen=conflict.seen, actor=SYSTEM)
    await world.refresh(f"invoice:{external_id}")
    assert await differences_of("invoice", invoice_id) == ()
    assert await value("SELECT memo FROM invoice") == ""


async def test_a_due_date_differs_when_somebody_changed_it_and_not_when_the_company_moved(
    world: World,
) -> None:
    world.sandbox.add_fault(match="POST /v1/invoices/*/finalize", status=400, times=1)
    invoice_id = await make_invoice()
    await run_sync_task(await task_of(invoice_id))
    external_id = str(await value("SELECT external_id FROM invoice"))
    due = world.stripe.invoices.retrieve(external_id).due_date
    world.stripe.invoices.update(external_id, {"due_date": (due or 0) + 86_400})
    world.stripe.invoices.finalize_invoice(external_id)
    await value("UPDATE invoice SET due_date = due_date + 1")
    for zone in ("Asia/Tokyo", "America/Los_Angeles"):
        await value("UPDATE organisation SET time_zone = $1", zone)
        await world.refresh(f"invoice:{external_id}")
        assert await differences_of("invoice", invoice_id) == (), zone
    await value("UPDATE invoice SET due_date = due_date - 1")
    await world.refresh(f"invoice:{external_id}")
    assert [one.field for one in await differences_of("invoice", invoice_id)] == ["due date"]


async def test_money_that_met_a_void_is_said_and_stays_said_once(world: World) -> None:
    invoice_id, external_id = await published_invoice()
    await invoices.void(invoice_id, actor=SYSTEM)
    world.stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    await run_sync_task(await world.waiting("void_invoice"))
    (conflict,) = await differences_of("invoice", invoice_id)
    assert (conflict.ours, conflict.theirs, conflict.trusted) == ("Void", "Paid", "theirs")
    await resolve(conflict.id, "theirs", seen=conflict.seen, actor=SYSTEM)
    await world.refresh(f"invoice:{external_id}")
    assert await differences_of("invoice", invoice_id) == ()


async def test_what_nobody_heard_of_is_read_again_when_somebody_takes_stripes_side(world: World) -> None:
    invoice_id, external_id = await published_invoice()
    world.stripe.invoices.void_invoice(external_id)
    async with transaction() as tx:
        drift = Difference(
            account_id=world.account.id,
            mode=world.account.mode,
            subject_kind="invoice",
            subject_id=invoice_id,
            external_id=external_id,
            field="status",
            ours="open",
            theirs="void",
            kind="drift",
            cause="The event about it never arrived.",
            rule="It is repaired at night.",
            trusted="theirs",
            found_by="comparison",
        )
        await note_difference(tx.connection, drift)
    (found,) = await differences_of("invoice", invoice_id)
    with pytest.raises(Conflict):
        await resolve(found.id, "ours", seen=found.seen, actor=SYSTEM)
    await resolve(found.id, "theirs", seen=found.seen, actor=SYSTEM)
    assert await value("SELECT status FROM invoice") == "void"
    ended = await find_difference(found.id)
    assert (ended.state, ended.resolved_by) == ("repaired", SYSTEM.name)
    assert await resolve(found.id, "theirs", seen=found.seen, actor=SYSTEM) is None, "a second press"


async def test_a_copy_that_adds_up_otherwise_stops_and_goes_on_with_the_choice(world: World) -> None:
    world.sandbox.add_fault(match="POST /v1/invoices/*/finalize", status=429, times=1)
    invoice_id = await make_invoice(9_000)
    task = await task_of(invoice_id)
    await run_sync_task(task)
    await value("DELETE FROM call_budget")
    external_id = str(await value("SELECT external_id FROM invoice"))
    customer = str(world.stripe.invoices.retrieve(external_id).customer)
    extra: Any = {"customer": customer, "invoice": external_id, "amount": 550, "currency": "usd"}
    world.stripe.invoice_items.create(extra)
    await retry_now(task)
    assert await value("SELECT state FROM sync_task") == "failed"
    (conflict,) = await differences_of("invoice", invoice_id)
    assert (conflict.ours, conflict.theirs) == ("USD 90.00", "USD 95.50")
    await resolve(conflict.id, "theirs", seen=conflict.seen, actor=SYSTEM)
    await run_sync_task(task)
    assert world.stripe.invoices.retrieve(external_id).status == "open"
    assert await value("SELECT state FROM sync_task") == "done"
    assert await differences_of("invoice", invoice_id) == ()


async def test_an_invoice_that_could_not_be_sent_is_settled_when_it_is_void(world: World) -> None:
    world.sandbox.add_fault(match="POST /v1/invoices/*/finalize", status=400, times=1)
    invoice_id = await make_invoice(9_000)
    await run_sync_task(await task_of(invoice_id))
    assert await value("SELECT sync_state FROM invoice") == "failed"
    await invoices.void(invoice_id, actor=SYSTEM)
    await run_sync_task(await task_of(invoice_id, "void_invoice"))
    assert await value("SELECT sync_state || sync_error FROM invoice") == "in_step"
    assert await value("SELECT array_agg(DISTINCT state) FROM sync_task") == ["done"]


@pytest.mark.parametrize(
    ("wish", "status", "fields"),
    [
        ("cancel_now", "canceled", {}),
        ("pause", "active", {"pause_collection": True}),
        ("cancel_at_period_end", "active", {"cancel_at_period_end": True}),
    ],
)
async def test_a_wish_about_a_subscription_comes_true(
    world: World, wish: str, status: str, fields: dict[str, bool]
) -> None:
    external_id = await planted_subscription(world)
    row = int(await value("SELECT id FROM subscription"))
    await request_change(row, wish, actor=SYSTEM)
    await run_sync_task(await world.waiting("change_subscription"))
    theirs = world.stripe.subscriptions.retrieve(external_id)
    assert theirs.status == status
    assert all(bool(theirs[name]) is so for name, so in fields.items())
    assert await value("SELECT status || wish FROM subscription") == status
    if not fields:
        with pytest.raises(Conflict, match="ended"):
            await request_change(row, "keep", actor=SYSTEM)
        return
    await request_change(row, "resume" if wish == "pause" else "keep", actor=SYSTEM)
    await run_sync_task(await world.waiting("change_subscription"))
    theirs = world.stripe.subscriptions.retrieve(external_id)
    assert not any(bool(theirs[name]) for name in fields)


async def test_a_wish_that_stripe_has_not_heard_is_not_lost_to_the_next_one(world: World) -> None:
    """Who asked to cancel and then to pause would go on paying."""
    external_id = await planted_subscription(world)
    row = int(await value("SELECT id FROM subscription"))
    await request_change(row, "cancel_at_period_end", actor=SYSTEM)
    task = await world.waiting("change_subscription")
    world.sandbox.add_fault(match="POST /v1/subscriptions/*", status=500, times=1)
    await run_sync_task(task)
    for state in ("unknown", "sending", "waiting"):
        await value("UPDATE sync_task SET state = $2 WHERE id = $1", task, state)
        with pytest.raises(Conflict, match="not confirmed yet"):
            await request_change(row, "pause", actor=SYSTEM)
    await retry_now(task)
    assert world.stripe.subscriptions.retrieve(external_id).cancel_at_period_end
    await request_change(row, "pause", actor=SYSTEM)
    await run_sync_task(task)
    theirs = world.stripe.subscriptions.retrieve(external_id)
    assert (theirs.cancel_at_period_end, bool(theirs.pause_collection)) == (True, True)


async def test_a_wish_that_stripe_refused_makes_place_for_another(world: World) -> None:
    external_id = await planted_subscription(world)
    row = int(await value("SELECT id FROM subscription"))
    await request_change(row, "cancel_at_period_end", actor=SYSTEM)
    world.sandbox.add_fault(match="POST /v1/subscriptions/*", status=400, times=1)
    await run_sync_task(await world.waiting("change_subscription"))
    await request_change(row, "pause", actor=SYSTEM)
    await run_sync_task(await world.waiting("change_subscription"))
    assert world.stripe.subscriptions.retrieve(external_id).pause_collection


async def test_a_subscription_that_somebody_cancelled_in_the_same_moment_is_cancelled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    external_id = await planted_subscription(world)
    await request_change(int(await value("SELECT id FROM subscription")), "cancel_now", actor=SYSTEM)
    real = changes.cancel_subscription

    async def too_late(*arguments: Any, **named: Any) -> None:
        world.stripe.subscriptions.cancel(external_id)
        await real(*arguments, **named)

    monkeypatch.setattr(changes, "cancel_subscription", too_late)
    task = await world.waiting("change_subscription")
    await run_sync_task(task)
    assert await value("SELECT state || error FROM sync_task WHERE id = $1", task) == "done"
    assert await value("SELECT status || wish FROM subscription") == "canceled"


async def test_a_subscription_that_was_to_end_on_a_day_goes_on(world: World) -> None:
    external_id = await planted_subscription(world)
    day = int(await value("SELECT extract(epoch FROM now() + interval '40 days')"))
    world.stripe.subscriptions.update(external_id, {"cancel_at": day})
    await world.refresh(f"subscription:{external_id}")
    await request_change(int(await value("SELECT id FROM subscription")), "keep", actor=SYSTEM)
    await run_sync_task(await world.waiting("change_subscription"))
    assert world.stripe.subscriptions.retrieve(external_id).cancel_at is None
    assert await value("SELECT cancel_at IS NULL AND wish = '' FROM subscription")


async def rename_again(customer: int, name: str) -> None:
    """What the edit form does."""
    version = await value("SELECT updated_at FROM customer WHERE id = $1", customer)
    profile = CustomerProfile(name, "holding@globex.example")
    await update_customer(customer, profile, version=version, actor=SYSTEM)
