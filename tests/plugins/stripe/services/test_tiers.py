"""Prices in steps: told with their steps wherever they are read, and kept from answers that did not ask."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway import lists, reads
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.accounts.services import load_account
from portal.settings import current_settings
from tests.builders import Connected
from tests.plugins.stripe.services.errands import World
from tests.plugins.stripe.services.stories import value

WORDS = "$10.00 for the first 5, then $8.00 each, every month"


@pytest.fixture
def world(account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services) -> World:
    return World(account, sandbox, stripe)


def in_steps(world: World) -> str:
    given: Any = {
        "currency": "usd",
        "billing_scheme": "tiered",
        "tiers_mode": "graduated",
        "tiers": [{"up_to": 5, "unit_amount": 1_000}, {"up_to": "inf", "unit_amount_decimal": "800"}],
        "recurring": {"interval": "month"},
        "product_data": {"name": "Seats"},
    }
    return str(world.stripe.prices.create(given).id)


async def test_steps_come_only_when_they_are_asked_for(world: World) -> None:
    price = in_steps(world)
    assert "tiers" not in world.stripe.prices.retrieve(price).to_dict()
    tiers = world.stripe.prices.retrieve(price, {"expand": ["tiers"]}).to_dict()["tiers"]
    assert [(tier["up_to"], tier["unit_amount"]) for tier in tiers] == [(5, 1_000), (None, 800)]
    page = await lists.list_prices(await load_account(world.account.id), current_settings(), {"limit": 1})
    assert len(page["data"][0]["tiers"]) == 2


async def test_a_price_is_read_with_its_steps(world: World) -> None:
    await world.refresh(f"price:{in_steps(world)}")
    assert await value("SELECT words FROM plan") == WORDS


async def test_a_subscription_brings_its_plan_with_its_steps(world: World) -> None:
    customer = world.stripe.customers.create({"name": "Initech"}).id
    wanted: Any = {
        "customer": customer,
        "items": [{"price": in_steps(world), "quantity": 7}],
        "collection_method": "send_invoice",
        "days_until_due": 14,
    }
    made = world.stripe.subscriptions.create(wanted).id
    raw = await reads.retrieve_subscription(
        await load_account(world.account.id), current_settings(), made, with_products=True
    )
    assert len(raw["items"]["data"][0]["price"]["tiers"]) == 2
    await world.refresh(f"subscription:{made}")
    assert await value("SELECT words FROM plan") == WORDS
    assert await value("SELECT amount_minor FROM subscription") is None
