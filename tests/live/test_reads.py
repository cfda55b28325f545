"""Every read and every list of the plugin against either Stripe: what is expanded can be expanded."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from plugins.stripe.domain.plans import describe_price
from plugins.stripe.gateway import lists, reads
from plugins.stripe.gateway.client import close_clients
from plugins.stripe.services.readings.subscriptions import subscription_seen
from tests.live.stripes import Stripe, fresh

pytestmark = pytest.mark.filterwarnings("default")  # Stripe sends notices, which the SDK turns into warnings
LISTS = [
    (lists.list_customers, {}),
    (lists.list_disputes, {}),
    (lists.list_events, {}),
    (lists.list_invoices, {"status": "open"}),
    (lists.list_prices, {}),
    (lists.list_products, {}),
    (lists.list_refunds, {}),
    (lists.list_subscriptions, {"status": "all"}),
]


@pytest.fixture(autouse=True)
async def _closed_clients() -> AsyncIterator[None]:
    yield
    await close_clients()


@pytest.mark.parametrize(("listing", "params"), LISTS, ids=[listing.__name__ for listing, _ in LISTS])
async def test_every_kind_can_be_listed(stripe: Stripe, listing: lists.List, params: dict[str, str]) -> None:
    page = await listing(stripe.account, stripe.settings, {**params, "created": {"gte": 1}})
    assert (type(page["data"]), type(page["has_more"])) == (list, bool)


async def test_a_subscription_comes_with_its_customer_and_plans(stripe: Stripe) -> None:
    client = stripe.client.v1
    customer = client.customers.create({"name": fresh("customer")}).id
    stripe.made.append(customer)
    price = client.prices.create(
        {
            "currency": "usd",
            "unit_amount": 2000,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Contract test"},
        }
    )
    made = client.subscriptions.create(
        {
            "customer": customer,
            "items": [{"price": price.id, "quantity": 2}],
            "collection_method": "send_invoice",
            "days_until_due": 7,
        }
    )
    raw = await reads.retrieve_subscription(stripe.account, stripe.settings, made.id, with_products=True)
    seen = subscription_seen(raw)
    assert (seen.status, seen.amount and seen.amount.amount_minor) == ("active", 4000)
    assert seen.customer_external_id == customer
    assert raw["items"]["data"][0]["price"]["product"]["name"] == "Contract test"
    read_price = await reads.retrieve_price(stripe.account, stripe.settings, price.id)
    assert describe_price(read_price) == "$20.00 per month"
    product = await reads.retrieve_product(stripe.account, stripe.settings, str(price.product))
    assert product["id"] == price.product
    client.subscriptions.cancel(made.id)


async def test_a_saved_method_can_be_read(stripe: Stripe) -> None:
    client = stripe.client.v1
    customer = client.customers.create({"name": fresh("customer")}).id
    stripe.made.append(customer)
    method = client.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    raw = await reads.retrieve_payment_method(stripe.account, stripe.settings, method)
    assert (raw["customer"], raw["card"]["last4"]) == (customer, "4242")
