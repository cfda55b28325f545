"""A customer changes how a subscription is paid: what Stripe says counts, once, in every order."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import pytest
import stripe as stripe_sdk

from plugins.stripe.domain.agreements import METHOD_KEY
from plugins.stripe.gateway.client import CallRefused, PermissionMissing
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services import methods
from plugins.stripe.services.publishing import run_sync_task
from plugins.stripe.services.readings.subscriptions import subscription_seen
from portal.accounts.services import load_account
from portal.errors import Conflict
from portal.settings import current_settings
from tests.builders import Connected
from tests.plugins.stripe.services.errands import World, planted_subscription, recharge, set_up
from tests.plugins.stripe.services.stories import process_all, take_in, value

BACK = "http://testserver.local/method/token/return"
EVENTS = ("setup_intent.succeeded", "payment_method.attached", "customer.subscription.updated")


@pytest.fixture
def world(account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services) -> World:
    return World(account, sandbox, stripe)


async def wish() -> str:
    return str(await value("SELECT wish_method_external_id FROM subscription ORDER BY id LIMIT 1"))


async def test_start_gives_a_secret_for_the_subscriptions_customer_and_keeps_it_nowhere(world: World) -> None:
    subscription = await planted_subscription(world)
    account = await load_account(world.account.id)
    begun = await methods.start_method(account, subscription, current_settings())
    (made,) = world.stripe.setup_intents.list().data
    assert made.client_secret == begun.data["client_secret"]
    assert made.customer == world.stripe.subscriptions.retrieve(subscription).customer
    assert (made.usage, made.metadata and made.metadata[METHOD_KEY]) == ("off_session", subscription)
    await process_all(await take_in(world.account, world.stripe))
    assert not await value(
        "SELECT EXISTS (SELECT FROM stripe_object WHERE position($1 in last_read::text) > 0)",
        begun.data["client_secret"],
    )
    assert await wish() == ""


async def test_a_page_that_is_loaded_again_goes_on_with_the_same_setup_intent(world: World) -> None:
    subscription, other = await planted_subscription(world), await planted_subscription(world)
    account = await load_account(world.account.id)

    async def start(of: str) -> str:
        return (await methods.start_method(account, of, current_settings())).data["client_secret"]

    first = {await start(subscription) for _ in range(5)}
    assert len(first) == 1
    (made,) = world.stripe.setup_intents.list().data
    assert {await start(other)} & first == set(), "another subscription has its own"
    world.stripe.setup_intents.confirm(made.id, {"payment_method": "pm_card_visa", "return_url": BACK})
    second = await start(subscription)
    assert second not in first, "what was sent is not given out again"
    assert await start(subscription) == second
    assert len(world.stripe.setup_intents.list().data) == 3


async def test_an_ended_subscription_takes_no_method_and_is_brought_up_to_date(world: World) -> None:
    subscription = await planted_subscription(world)
    world.stripe.subscriptions.cancel(subscription)
    with pytest.raises(Conflict):
        await methods.start_method(await load_account(world.account.id), subscription, current_settings())
    assert await value("SELECT status FROM subscription") == "canceled"
    assert world.stripe.setup_intents.list().data == []


async def test_a_key_without_the_right_says_so_and_its_page_is_not_offered(world: World) -> None:
    subscription = await planted_subscription(world)
    account = await load_account(world.account.id)
    assert methods.method_page(account, current_settings()) is not None
    world.sandbox.add_fault(
        match="POST /v1/setup_intents", status=403, message="Having the 'rak_setup_intent_write' permission"
    )
    with pytest.raises(PermissionMissing):
        await methods.start_method(account, subscription, current_settings())
    await value("UPDATE connected_account SET features_off = $1::jsonb", '{"pair_proof": "It is missing."}')
    poor = await load_account(world.account.id)
    assert methods.method_page(poor, current_settings()) is None


async def test_the_event_alone_brings_the_method_to_the_subscription(world: World) -> None:
    subscription = await planted_subscription(world)
    method = await set_up(world, subscription)
    await process_all(await take_in(world.account, world.stripe, "setup_intent.succeeded"))
    assert await wish() == method
    await run_sync_task(await world.waiting("use_method"))
    assert world.stripe.subscriptions.retrieve(subscription).default_payment_method == method
    assert await wish() == ""
    assert await value("SELECT method_external_id FROM subscription") == method
    assert await value("SELECT words FROM payment_method WHERE external_id = $1", method) == (
        "Mastercard ending 4444"
    )


async def test_a_look_need_not_wait_for_the_event_which_then_finds_everything_done(world: World) -> None:
    subscription = await planted_subscription(world)
    method = await set_up(world, subscription)
    await methods.refresh_method(await load_account(world.account.id), subscription)
    assert await wish() == method
    await run_sync_task(await world.waiting("use_method"))
    await process_all(await take_in(world.account, world.stripe, *EVENTS))
    assert await wish() == ""
    assert await value("SELECT asked FROM sync_task WHERE kind = 'use_method'") == 1
    assert await value("SELECT count(*) FROM webhook_event WHERE state NOT IN ('processed', 'ignored')") == 0


async def test_its_events_end_the_same_in_every_order(world: World) -> None:
    for order in itertools.permutations(range(3)):
        world.sandbox.reset()
        for table in ("webhook_event", "sync_task"):
            await value(f"DELETE FROM {table}")  # noqa: S608 - words of ours
        subscription = await planted_subscription(world)
        method = await set_up(world, subscription)
        world.stripe.subscriptions.update(subscription, {"metadata": {"a": "b"}})
        events = await take_in(world.account, world.stripe, *EVENTS)
        assert len(events) >= 3
        await process_all([*(events[place] for place in order), *events[3:]])
        of_this = "FROM subscription WHERE external_id = $1"
        assert await value(f"SELECT wish_method_external_id {of_this}", subscription) == method, order


async def test_an_older_word_that_is_heard_later_changes_nothing(world: World) -> None:
    subscription = await planted_subscription(world)
    older = await set_up(world, subscription)
    older_events = await take_in(world.account, world.stripe, "setup_intent.succeeded")
    world.sandbox.advance(60)
    newer = await set_up(world, subscription, "pm_card_amex")
    await process_all(await take_in(world.account, world.stripe, "setup_intent.succeeded"))
    assert await wish() == newer
    await process_all(older_events)
    assert await wish() == newer != older
    await run_sync_task(await world.waiting("use_method"))
    assert world.stripe.subscriptions.retrieve(subscription).default_payment_method == newer


async def test_metadata_that_name_the_subscription_of_another_customer_have_no_effect(world: World) -> None:
    subscription = await planted_subscription(world)
    before = world.stripe.subscriptions.retrieve(subscription).default_payment_method
    stranger = world.stripe.customers.create({"name": "Stranger"}).id
    method = await set_up(world, subscription, customer=stranger)
    await process_all(await take_in(world.account, world.stripe))
    await world.refresh(f"payment_method:{method}")
    await methods.refresh_method(await load_account(world.account.id), subscription)
    assert await wish() == ""
    assert await value("SELECT count(*) FROM sync_task WHERE kind = 'use_method'") == 0
    assert world.stripe.subscriptions.retrieve(subscription).default_payment_method == before


async def test_a_setup_that_did_not_succeed_or_is_about_something_else_has_no_effect(world: World) -> None:
    subscription = await planted_subscription(world)
    customer = str(world.stripe.subscriptions.retrieve(subscription).customer)
    automatic = {"enabled": True, "allow_redirects": "never"}
    wanted: Any = {"customer": customer, "confirm": True, "automatic_payment_methods": automatic}
    wanted["payment_method"] = "pm_card_visa"
    world.stripe.setup_intents.create(wanted)
    wanted |= {"payment_method": "pm_card_threeDSecure2Required", "metadata": {METHOD_KEY: subscription}}
    waiting = world.stripe.setup_intents.create(wanted)
    assert waiting.status == "requires_action"
    await process_all(await take_in(world.account, world.stripe))
    await methods.refresh_method(await load_account(world.account.id), subscription)
    assert await wish() == ""


async def test_what_is_so_already_is_not_sent_and_the_customers_default_is_left_alone(world: World) -> None:
    errand = await recharge(world)
    subscription = str(await value("SELECT external_id FROM subscription"))
    customer = str(world.stripe.subscriptions.retrieve(subscription).customer)
    settings = world.stripe.customers.retrieve(customer).invoice_settings
    wanted: Any = {"default_payment_method": await wish()}
    world.stripe.subscriptions.update(subscription, wanted)
    before = world.sandbox.calls().get("POST /v1/subscriptions/{subscription_exposed_id}", 0)
    await run_sync_task(errand.task)
    await errand.check()
    assert world.sandbox.calls().get("POST /v1/subscriptions/{subscription_exposed_id}", 0) == before
    assert world.stripe.customers.retrieve(customer).invoice_settings == settings


async def test_a_method_that_was_removed_meanwhile_stops_with_stripes_words(world: World) -> None:
    errand = await recharge(world)
    world.sandbox.add_fault(
        match=errand.route, status=400, message="The payment method was detached.", times=1
    )
    await run_sync_task(errand.task)
    assert await value("SELECT state FROM sync_task WHERE id = $1", errand.task) == "failed"
    assert "detached" in await value("SELECT error FROM sync_task WHERE id = $1", errand.task)


async def test_the_customers_default_is_what_is_charged_where_the_subscription_names_none(
    world: World,
) -> None:
    subscription = await planted_subscription(world)
    customer = str(world.stripe.subscriptions.retrieve(subscription).customer)
    saved = world.stripe.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    world.stripe.customers.update(customer, {"invoice_settings": {"default_payment_method": saved}})
    await world.refresh(f"subscription:{subscription}")
    assert await value("SELECT method_external_id FROM subscription") == saved
    own = world.stripe.payment_methods.attach("pm_card_amex", {"customer": customer}).id
    world.stripe.subscriptions.update(subscription, {"default_payment_method": own})
    await world.refresh(f"subscription:{subscription}")
    assert await value("SELECT method_external_id FROM subscription") == own


@pytest.mark.parametrize(
    ("subscription", "customer", "charged"),
    [
        ({}, {}, None),
        ({"default_payment_method": "pm_1", "default_source": "card_1"}, {}, "pm_1"),
        ({"default_source": "card_1"}, {"invoice_settings": {"default_payment_method": "pm_2"}}, "card_1"),
        ({}, {"invoice_settings": {"default_payment_method": "pm_2"}, "default_source": "card_2"}, "pm_2"),
        ({}, {"default_source": "card_2"}, "card_2"),
    ],
    ids=str,
)
async def test_it_is_charged_to_what_stripe_finds_first(
    world: World, subscription: dict[str, Any], customer: dict[str, Any], charged: str | None
) -> None:
    """The sandbox knows no sources, which older accounts still have."""
    theirs = world.stripe.subscriptions.retrieve(await planted_subscription(world)).to_dict(for_json=True)
    bare = {"default_payment_method": None, "default_source": None, "customer": {"id": "cus_1", **customer}}
    assert subscription_seen({**theirs, **bare, **subscription}).method_external_id == charged


async def test_stripes_own_pages_open_where_an_admin_offers_them_and_lead_back(world: World) -> None:
    subscription = await planted_subscription(world)
    customer = str(world.stripe.subscriptions.retrieve(subscription).customer)
    account = await load_account(world.account.id)
    assert not methods.portal_offered(account)
    await value("UPDATE connected_account SET options = $1::jsonb", '{"offer_customer_portal": true}')
    account = await load_account(world.account.id)
    assert methods.portal_offered(account)
    back = "http://testserver.local/method/token"
    where = await methods.customer_portal(account, customer, back, current_settings())
    assert where.startswith(f"{world.sandbox.url}/_sandbox/portal/")
    async with httpx.AsyncClient() as http:
        assert f'href="{back}"' in (await http.get(where)).text
        assert (await http.get(f"{world.sandbox.url}/_sandbox/portal/another")).status_code == 404
    refusal = "your test mode default configuration has not been created."
    world.sandbox.add_fault(match="POST /v1/billing_portal/sessions", status=400, message=refusal, times=1)
    with pytest.raises(CallRefused, match="has not been created"):
        await methods.customer_portal(account, customer, back, current_settings())


# ---- small deposits


async def give_bank(world: World, subscription: str, number: str = "000123456789") -> str:
    """The customer types a bank account, as the page lets them; the setup intent's id."""
    await methods.start_method(await load_account(world.account.id), subscription, current_settings())
    (made,) = [
        one for one in world.stripe.setup_intents.list().data if one.status == "requires_payment_method"
    ]
    typed: Any = {
        "type": "us_bank_account",
        "billing_details": {"name": "Ada", "email": "ada@example.com"},
        "us_bank_account": {
            "account_holder_type": "individual",
            "account_number": number,
            "routing_number": "110000000",
        },
    }
    sent = world.stripe.setup_intents.confirm(made.id, {"payment_method_data": typed, "return_url": BACK})
    assert sent.status == "requires_action"
    return str(sent.id)


async def page_of_deposits(world: World, subscription: str) -> str:
    """Where a page that is loaded now sends the customer to prove the account."""
    account = await load_account(world.account.id)
    return (await methods.start_method(account, subscription, current_settings())).data["deposits_page"]


@pytest.mark.parametrize("proof", [{"amounts": [32, 45]}, {"descriptor_code": "SM11AA"}], ids=str)
async def test_a_bank_account_is_charged_once_its_small_deposits_are_entered(
    world: World, proof: Any
) -> None:
    subscription = await planted_subscription(world)
    assert await page_of_deposits(world, subscription) == ""
    intent = await give_bank(world, subscription)
    await process_all(await take_in(world.account, world.stripe))
    await methods.refresh_method(await load_account(world.account.id), subscription)
    assert await wish() == ""
    assert (await page_of_deposits(world, subscription)).endswith(intent), "a reload leads back to it"
    world.sandbox.advance(2 * 86_400)
    done = world.stripe.setup_intents.verify_microdeposits(intent, proof)
    await process_all(await take_in(world.account, world.stripe))
    assert await wish() == done.payment_method
    await run_sync_task(await world.waiting("use_method"))
    kept = world.stripe.subscriptions.retrieve(subscription).default_payment_method
    assert kept == done.payment_method
    assert await value("SELECT kind FROM payment_method WHERE external_id = $1", kept) == "us_bank_account"
    assert await page_of_deposits(world, subscription) == ""


@pytest.mark.parametrize(
    "proof", [{"amounts": [10, 11]}, {"descriptor_code": "SM44DD"}], ids=["too often", "too late"]
)
async def test_deposits_that_prove_nothing_change_nothing(world: World, proof: Any) -> None:
    subscription = await planted_subscription(world)
    before = world.stripe.subscriptions.retrieve(subscription).default_payment_method
    intent = await give_bank(world, subscription)
    with pytest.raises(stripe_sdk.InvalidRequestError):
        world.stripe.setup_intents.verify_microdeposits(intent, proof)
    await process_all(await take_in(world.account, world.stripe))
    await methods.refresh_method(await load_account(world.account.id), subscription)
    assert await wish() == ""
    assert world.stripe.subscriptions.retrieve(subscription).default_payment_method == before
    assert await page_of_deposits(world, subscription) == ""


async def test_a_card_that_is_chosen_meanwhile_stays_whenever_the_deposits_are_entered(world: World) -> None:
    subscription = await planted_subscription(world)
    intent = await give_bank(world, subscription)
    world.sandbox.advance(60)
    card = await set_up(world, subscription)
    await process_all(await take_in(world.account, world.stripe))
    assert await wish() == card
    assert await page_of_deposits(world, subscription) == ""
    world.sandbox.advance(2 * 86_400)
    world.stripe.setup_intents.verify_microdeposits(intent, {"amounts": [32, 45]})
    await process_all(await take_in(world.account, world.stripe))
    await methods.refresh_method(await load_account(world.account.id), subscription)
    assert await wish() == card
