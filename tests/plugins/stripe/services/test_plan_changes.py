"""Another plan or quantity, asked for in the portal: what Stripe charges and credits for it, and when not."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway import changes
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.publishing import run_sync_task
from portal.audit.services import SYSTEM
from portal.subscriptions.plan_rules import PlanChange
from portal.subscriptions.services import request_plan_change
from tests.announcing import announcements
from tests.builders import Connected
from tests.plugins.stripe.services.errands import World, planted_plan, planted_subscription
from tests.plugins.stripe.services.stories import retry_now, value


@pytest.fixture
def world(account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services) -> World:
    return World(account, sandbox, stripe)


async def ask(world: World, plan: str, quantity: int, proration: str) -> int:
    """The task that waits after somebody asked for this."""
    wanted = PlanChange(plan, quantity, proration)
    await request_plan_change(await value("SELECT id FROM subscription"), wanted, actor=SYSTEM)
    return await world.waiting("change_subscription")


def items(world: World, external_id: str) -> list[tuple[str, int | None]]:
    found = world.stripe.subscriptions.retrieve(external_id)["items"].data
    return [(item.price.id, item.quantity) for item in found]


def billed(world: World, external_id: str) -> tuple[list[int], int]:
    """Signs of the items that wait for the next invoice, and how many invoices there are now."""
    pending = world.stripe.invoice_items.list({"pending": True}).data
    made = world.stripe.invoices.list({"subscription": external_id}).data
    return sorted(1 if item.amount > 0 else -1 for item in pending), len(made)


@pytest.mark.parametrize(
    ("proration", "bills"),
    [("next_invoice", ([-1, 1], 0)), ("at_once", ([], 1)), ("not_at_all", ([], 0))],
)
@pytest.mark.parametrize("order", [(5_000, 1), (500, 1), (2_000, 7)])
async def test_the_rest_of_the_period_counts_as_it_was_asked(
    world: World, order: tuple[int, int], proration: str, bills: tuple[list[int], int]
) -> None:
    amount, quantity = order
    external_id = await planted_subscription(world)
    own = items(world, external_id)[0][0]
    plan = own if quantity > 1 else await planted_plan(world, amount)
    if quantity > 1:
        await world.refresh(f"price:{own}")
    await run_sync_task(await ask(world, plan, quantity, proration))
    assert items(world, external_id) == [(plan, quantity)]
    assert billed(world, external_id) == bills
    seen = await value(
        "SELECT ARRAY[plan_external_id, quantity::text, wish, wish_plan_external_id] FROM subscription"
    )
    assert seen == [plan, str(quantity), "", ""]


async def test_another_rhythm_begins_a_period_at_once(world: World) -> None:
    external_id = await planted_subscription(world)
    plan = await planted_plan(world, 20_000, "year")
    await run_sync_task(await ask(world, plan, 1, "not_at_all"))
    (invoice,) = world.stripe.invoices.list({"subscription": external_id}).data
    assert invoice.total == 20_000
    assert await value("SELECT interval FROM subscription") == "year"


async def test_after_a_lost_answer_nothing_is_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    external_id = await planted_subscription(world)
    plan = await planted_plan(world, 5_000)
    task = await ask(world, plan, 2, "at_once")
    world.sandbox.add_fault(match="POST /v1/subscriptions/*", times=1, drop="after")
    await run_sync_task(task)
    assert await value("SELECT state FROM sync_task WHERE id = $1", task) == "unknown"

    async def never(*_: Any, **__: Any) -> None:
        pytest.fail("it was sent again")

    monkeypatch.setattr(changes, "change_item", never)
    await retry_now(task)
    await run_sync_task(task)
    assert await value("SELECT state FROM sync_task WHERE id = $1", task) == "done"
    assert billed(world, external_id) == ([], 1)
    assert items(world, external_id) == [(plan, 2)]


async def test_several_items_are_left_alone_with_words(world: World) -> None:
    external_id = await planted_subscription(world)
    plan, beside = await planted_plan(world, 5_000), await planted_plan(world, 700)
    world.stripe.subscriptions.update(external_id, {"items": [{"price": beside}]})
    before = items(world, external_id)
    task = await ask(world, plan, 1, "next_invoice")
    await run_sync_task(task)
    state, error = await value("SELECT ARRAY[state, error] FROM sync_task WHERE id = $1", task)
    assert state == "failed"
    assert "several items: change it in Stripe" in error
    assert items(world, external_id) == before


async def test_open_pages_hear_of_a_refused_change(world: World) -> None:
    external_id = await planted_subscription(world)
    plan, beside = await planted_plan(world, 5_000), await planted_plan(world, 700)
    world.stripe.subscriptions.update(external_id, {"items": [{"price": beside}]})
    task = await ask(world, plan, 1, "next_invoice")
    subscription_id = await value("SELECT id FROM subscription")
    async with announcements() as told:
        await run_sync_task(task)
    assert told.count(f"subscription:{subscription_id}") == 1


async def test_a_plan_that_is_archived_meanwhile_is_refused_in_stripes_words_or_kept(world: World) -> None:
    external_id = await planted_subscription(world)
    own = items(world, external_id)[0][0]
    await world.refresh(f"price:{own}")
    world.stripe.prices.update(own, {"active": False})
    await world.refresh(f"price:{own}")
    await run_sync_task(await ask(world, own, 4, "next_invoice"))
    assert items(world, external_id) == [(own, 4)]


async def test_it_can_be_asked_back_before_it_was_done(world: World) -> None:
    external_id = await planted_subscription(world)
    own = items(world, external_id)[0][0]
    await world.refresh(f"price:{own}")
    await ask(world, await planted_plan(world, 5_000), 1, "at_once")
    await run_sync_task(await ask(world, own, 1, "at_once"))
    assert items(world, external_id) == [(own, 1)]
    assert billed(world, external_id) == ([], 0)
    assert await value("SELECT wish FROM subscription") == ""
