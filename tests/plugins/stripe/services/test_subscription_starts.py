"""A subscription that is started from here: once, with the first payment on our own pay page."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.methods import refresh_method
from plugins.stripe.services.payments import refresh_payment, start_payment
from plugins.stripe.services.publishing import run_sync_task
from portal.accounts.services import load_account
from portal.audit.services import SYSTEM
from portal.connected.unsent import unsent_of
from portal.contract.facts import Mode
from portal.invoices.payable import payable_invoice
from portal.invoices.services import pay_link
from portal.mail.services import claim_mail
from portal.messages.composing import compose
from portal.settings import current_settings
from portal.subscriptions.starts import WantedStart, request_start
from tests.builders import Connected, make_customer
from tests.plugins.stripe.services.errands import World, set_up
from tests.plugins.stripe.services.stories import (
    intent_of,
    process_all,
    retry_now,
    take_in,
    value,
)

HOUR, DAY = 3_600, 86_400
MONTHLY = {"interval": "month"}
STATES = "SELECT array_agg(status ORDER BY id) FROM subscription_order"


@pytest.fixture
def world(account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services) -> World:
    return World(account, sandbox, stripe)


async def ask(world: World, customer: int | None = None, *, price: str = "", **other: Any) -> int:
    """Ask for a subscription over two seats of $20.00 a month; the task that is to start it."""
    if not price:
        given: Any = {"currency": "usd", "unit_amount": 2_000, "recurring": MONTHLY}
        given["product_data"] = {"name": "Care"}
        price = world.stripe.prices.create(given).id
    await world.refresh(f"price:{price}")
    plan = await value("SELECT id FROM plan WHERE external_id = $1", price)
    wanted = WantedStart(customer or await make_customer(), plan, 2, 0, send_link=False)
    order = await request_start(replace(wanted, **other), Mode.TEST, actor=SYSTEM)
    return int(
        await value("SELECT id FROM sync_task WHERE kind = 'start_subscription' AND subject_id = $1", order)
    )


async def test_it_waits_for_its_first_payment_on_our_page_and_runs_once_that_is_made(world: World) -> None:
    await run_sync_task(await ask(world))
    (theirs,) = world.stripe.subscriptions.list().data
    assert (theirs.status, theirs.collection_method) == ("incomplete", "charge_automatically")
    assert await value("SELECT status FROM subscription") == "incomplete"
    invoice_id = int(await value("SELECT id FROM invoice"))
    assert await pay_link(invoice_id)
    account = await load_account(world.account.id)
    begun = await start_payment(account, await payable_invoice(invoice_id), current_settings())
    invoice = str(theirs.latest_invoice)
    intent = intent_of(world.stripe, invoice)
    assert begun.data["client_secret"].startswith(intent)
    world.stripe.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})
    await refresh_payment(account, invoice_id)
    assert await value("SELECT status FROM invoice") == "paid"
    await process_all(await take_in(world.account, world.stripe))
    assert await value("SELECT status FROM subscription") == "active"
    kept = world.stripe.subscriptions.retrieve(theirs.id)
    assert kept.default_payment_method, "the next period is charged to what the customer paid with"


async def test_what_stripe_tries_by_itself_meanwhile_charges_nothing_twice(world: World) -> None:
    await run_sync_task(await ask(world))
    (theirs,) = world.stripe.subscriptions.list().data
    invoice, invoice_id = str(theirs.latest_invoice), int(await value("SELECT id FROM invoice"))
    account = await load_account(world.account.id)
    await start_payment(account, await payable_invoice(invoice_id), current_settings())
    intent = intent_of(world.stripe, invoice)
    world.stripe.invoices.pay(invoice, {"payment_method": "pm_card_visa"})
    with pytest.raises(stripe_sdk.InvalidRequestError):  # the open form confirms, too late
        world.stripe.payment_intents.confirm(intent, {"payment_method": "pm_card_mastercard"})
    await refresh_payment(account, invoice_id)
    charges = world.stripe.charges.list({"payment_intent": intent}).data
    assert [charge.amount for charge in charges if charge.paid] == [4_000]
    assert await value("SELECT array_agg(amount_minor) FROM payment") == [4_000]


@pytest.mark.parametrize("route", ["POST /v1/customers", "POST /v1/subscriptions"])
@pytest.mark.parametrize("drop", ["before", "after"])
async def test_a_lost_answer_never_starts_a_second_one(world: World, route: str, drop: str) -> None:
    task = await ask(world)
    world.sandbox.add_fault(match=route, drop=drop, times=1)
    await run_sync_task(task)
    assert await value("SELECT state FROM sync_task WHERE id = $1", task) == "unknown"
    await value("UPDATE sync_task SET created_at = created_at - interval '25 hours'")
    world.sandbox.advance(25 * 3600)  # Stripe has forgotten the key
    await retry_now(task)
    assert len(world.stripe.subscriptions.list({"status": "all"}).data) == 1
    assert len(world.stripe.customers.list().data) == 1
    assert await value(STATES) == ["made"]


async def test_asked_for_by_two_people_it_is_two_and_one_task_done_twice_is_one(world: World) -> None:
    task = await ask(world)
    for _ in range(2):
        await value("UPDATE sync_task SET state = 'waiting', due_at = now() WHERE id = $1", task)
        await run_sync_task(task)
    assert len(world.stripe.subscriptions.list().data) == 1
    customer = int(await value("SELECT id FROM customer"))
    price = str(await value("SELECT external_id FROM plan"))
    await run_sync_task(await ask(world, customer, price=price))
    assert len(world.stripe.subscriptions.list().data) == 2
    assert len(world.stripe.customers.list().data) == 1
    assert await value("SELECT count(*) FROM invoice WHERE pay_token_hash IS NOT NULL") == 2


async def test_a_price_that_stripe_refuses_ends_the_order_with_its_words(world: World) -> None:
    task = await ask(world)
    world.sandbox.add_fault(
        match="POST /v1/subscriptions", status=400, message="The price is inactive.", times=1
    )
    await run_sync_task(task)
    assert await value(STATES) == ["refused"]
    assert await value("SELECT refusal FROM subscription_order") == "The price is inactive."
    assert [(one.may_retry, one.words) for one in await unsent_of(world.account.id)] == [
        (False, "Start a subscription")
    ]
    await value("UPDATE sync_task SET state = 'waiting', due_at = now() WHERE id = $1", task)
    await run_sync_task(task)
    assert world.stripe.subscriptions.list({"status": "all"}).data == []


async def test_a_trial_asks_for_a_method_alone_which_is_charged_when_it_ends(world: World) -> None:
    await run_sync_task(await ask(world, trial_days=14, send_link=True))
    (theirs,) = world.stripe.subscriptions.list().data
    assert theirs.status == "trialing"
    assert await value("SELECT status FROM subscription") == "trialing"
    assert await value("SELECT count(*) FROM invoice WHERE pay_token_hash IS NOT NULL") == 0
    assert await value("SELECT count(*) FROM method_link") == 1
    assert await value("SELECT array_agg(kind) FROM mail_message") == ["add_method"]

    method = await set_up(world, theirs.id)
    await refresh_method(await load_account(world.account.id), theirs.id)
    await run_sync_task(await world.waiting("use_method"))
    assert await value("SELECT method_external_id FROM subscription") == method
    assert world.stripe.charges.list().data == []
    world.sandbox.advance(14 * DAY + 2 * HOUR)
    await process_all(await take_in(world.account, world.stripe))
    assert [charge.amount for charge in world.stripe.charges.list().data] == [4_000]
    assert await value("SELECT status FROM subscription") == "active"
    assert await value("SELECT array_agg(amount_minor) FROM payment") == [4_000]


async def test_a_trial_of_somebody_whose_card_is_known_asks_for_nothing(world: World) -> None:
    await run_sync_task(await ask(world))
    customer = world.stripe.customers.list().data[0].id
    saved = world.stripe.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    world.stripe.customers.update(customer, {"invoice_settings": {"default_payment_method": saved}})
    ours, price = await value("SELECT id FROM customer"), await value("SELECT external_id FROM plan")
    await run_sync_task(await ask(world, ours, price=price, trial_days=14, send_link=True))
    assert await value("SELECT count(*) FROM subscription WHERE status = 'trialing'") == 1
    assert await value("SELECT count(*) FROM method_link") == 0
    assert await value("SELECT count(*) FROM mail_message") == 0


async def test_a_price_that_counts_use_is_asked_for_without_a_quantity(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter: Any = {"display_name": "Calls", "event_name": "calls", "default_aggregation": {"formula": "sum"}}
    recurring: Any = {"interval": "month", "usage_type": "metered", "meter": "mtr_1"}
    with suppress(stripe_sdk.StripeError):  # the sandbox knows meters by name alone
        recurring["meter"] = world.stripe.billing.meters.create(meter).id
    used: Any = {"currency": "usd", "unit_amount": 5, "product_data": {"name": "Calls"}}
    used["recurring"] = recurring
    metered = world.stripe.prices.create(used).id
    sent: list[dict[str, Any]] = []
    real = stripe_sdk.SubscriptionService.create_async

    async def remembered(self: Any, params: Any, options: Any) -> stripe_sdk.Subscription:
        sent.append(params)
        return await real(self, params, options)

    monkeypatch.setattr(stripe_sdk.SubscriptionService, "create_async", remembered)
    await run_sync_task(await ask(world, price=metered))
    await run_sync_task(await ask(world))
    assert [params["items"][0].get("quantity") for params in sent] == [None, 2]
    assert await value(STATES) == ["made", "made"]
    assert await value("SELECT array_agg(external_id) FROM plan WHERE metered") == [metered]


async def test_a_customer_that_was_deleted_in_stripe_is_made_anew(world: World) -> None:
    task = await ask(world)
    await run_sync_task(task)
    (old,) = world.stripe.customers.list().data
    world.stripe.customers.delete(old.id)
    customer, price = (
        int(await value("SELECT id FROM customer")),
        str(await value("SELECT external_id FROM plan")),
    )
    task = await ask(world, customer, price=price)
    await run_sync_task(task)
    (new,) = world.stripe.customers.list().data
    assert new.id != old.id
    (theirs,) = world.stripe.subscriptions.list().data
    assert theirs.customer == new.id


async def test_whoever_reads_the_invoice_first_it_gets_one_link_and_one_message(world: World) -> None:
    customer = await make_customer()
    task = await ask(world, customer, send_link=True)
    world.sandbox.add_fault(match="POST /v1/subscriptions", drop="after", times=1)
    await run_sync_task(task)
    # The events arrive before the task is tried again.
    events = await take_in(world.account, world.stripe)
    await process_all(events[::-1])
    before = await value("SELECT sealed_pay_token FROM invoice")
    await retry_now(task)
    for event in events:
        await value("UPDATE webhook_event SET state = 'received' WHERE id = $1", event)
    await process_all(events)
    assert await value("SELECT sealed_pay_token FROM invoice") != ""
    assert before in ("", await value("SELECT sealed_pay_token FROM invoice"))
    assert await value("SELECT array_agg(kind || ' ' || to_address) FROM mail_message") == [
        "invoice ap@globex.example"
    ]
    assert await value("SELECT sent_at IS NOT NULL FROM invoice")
    mail = await claim_mail(await value("SELECT id FROM mail_message"))
    assert mail is not None
    letter = await compose(mail)
    link = await pay_link(int(await value("SELECT id FROM invoice")))
    assert link
    assert link in str(letter)
    until = await value("SELECT started_at + interval '23 hours' FROM subscription")
    assert f"It can be paid until {until:%-d %B %Y, %H:%M} Coordinated Universal Time." in letter.text
