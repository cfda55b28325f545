"""Subscriptions, plans and saved methods follow what happens to them in Stripe."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from portal.database.transaction import transaction
from tests.builders import Connected
from tests.plugins.stripe.services.stories import process_all, reads_of, take_in, value

LIFE = (
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.deleted",
)


async def row_of(table: str) -> dict[str, Any]:
    """The only row of a table."""
    async with transaction() as tx:
        (row,) = await tx.connection.fetch(f"SELECT * FROM {table}")  # noqa: S608 - our own names
    return dict(row)


def plan(stripe: stripe_sdk.V1Services, amount: int = 2_000, name: str = "Care") -> str:
    given: Any = {
        "currency": "usd",
        "unit_amount": amount,
        "recurring": {"interval": "month"},
        "product_data": {"name": name},
    }
    return stripe.prices.create(given).id


def subscribe(stripe: stripe_sdk.V1Services, price: str, **fields: Any) -> stripe_sdk.Subscription:
    customer = stripe.customers.create({"name": "Globex", "email": "ap@globex.example"}).id
    method = stripe.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    stripe.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
    given: Any = {"customer": customer, "items": [{"price": price, "quantity": 2}], **fields}
    return stripe.subscriptions.create(given)


async def test_a_subscription_appears_changes_and_ends(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    made = subscribe(stripe, plan(stripe))
    with reads_of(sandbox) as reads:
        await process_all(await take_in(account, stripe, "customer.subscription.created"))
    assert reads == {"GET /v1/subscriptions/{subscription_exposed_id}": 1}
    row = await row_of("subscription")
    assert (row["status"], row["amount_minor"], row["quantity"], row["interval"]) == (
        "active",
        4_000,
        2,
        "month",
    )
    assert await value("SELECT words FROM plan") == "$20.00 per month"
    assert await value("SELECT name FROM product") == "Care"
    item = stripe.subscription_items.list({"subscription": made.id}).data[0].id
    larger = plan(stripe, 5_000, "Care plus")
    stripe.subscriptions.update(made.id, {"items": [{"id": item, "price": larger, "quantity": 1}]})
    stripe.subscriptions.update(made.id, {"cancel_at_period_end": True})
    await process_all(await take_in(account, stripe, "customer.subscription.updated"))
    row = await row_of("subscription")
    assert (row["plan_external_id"], row["amount_minor"]) == (larger, 5_000)
    assert (row["cancel_at_period_end"], row["cancel_at"]) == (True, row["period_end"])
    stripe.subscriptions.cancel(made.id)
    await process_all(await take_in(account, stripe, "customer.subscription.deleted"))
    row = await row_of("subscription")
    assert (row["status"], row["ended_at"] is not None) == ("canceled", True)


async def test_its_first_five_events_end_the_same_in_every_order(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    for order in itertools.islice(itertools.permutations(range(5)), 0, 120, 29):
        made = subscribe(stripe, plan(stripe))
        stripe.subscriptions.pause(made.id, {})
        stripe.subscriptions.resume(made.id)
        events = await take_in(account, stripe, *LIFE)
        assert len(events) >= 5
        await process_all([*(events[place] for place in order), *events[5:]])
        status = await value("SELECT status FROM subscription WHERE external_id = $1", made.id)
        assert status == "active", order


async def test_paused_collection_is_told_apart_from_a_pause(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    made = subscribe(stripe, plan(stripe))
    stripe.subscriptions.update(made.id, {"pause_collection": {"behavior": "void"}})
    await process_all(await take_in(account, stripe, *LIFE))
    row = await row_of("subscription")
    assert (row["status"], row["pause"]) == ("active", "void")
    stripe.subscriptions.pause(made.id, {})
    stripe.subscriptions.update(made.id, {"pause_collection": ""})
    await process_all(await take_in(account, stripe, *LIFE))
    row = await row_of("subscription")
    assert (row["status"], row["pause"]) == ("paused", "pause_requested")


async def test_its_invoice_says_which_subscription_it_bills(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    made = subscribe(stripe, plan(stripe))
    await process_all(await take_in(account, stripe))
    assert await value("SELECT subscription_external_id FROM invoice") == made.id
    assert await value("SELECT status FROM invoice") == "paid"
    assert await value("SELECT description FROM invoice_line") == "2 × Care"
    assert await value("SELECT count(*) FROM webhook_event WHERE state NOT IN ('processed', 'ignored')") == 0


async def test_plans_and_products_follow_and_keep_their_names_when_deleted(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    price = plan(stripe)
    product = str(stripe.prices.retrieve(price).product)
    stripe.products.update(product, {"name": "Better care"})
    stripe.prices.update(price, {"active": False})
    bare = stripe.products.create({"name": "Nothing yet"}).id
    stripe.products.delete(bare)
    await process_all(await take_in(account, stripe))
    assert await value("SELECT name FROM product WHERE external_id = $1", product) == "Better care"
    assert await value("SELECT active FROM plan") is False
    assert await value("SELECT deleted FROM product WHERE external_id = $1", bare)
    assert await value("SELECT name FROM product WHERE external_id = $1", bare) == "Nothing yet"


async def test_what_is_known_of_a_plan_is_not_overwritten_by_its_subscription(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    price = plan(stripe)
    await process_all(await take_in(account, stripe))
    await value("UPDATE plan SET words = 'known'")
    subscribe(stripe, price)
    await process_all(await take_in(account, stripe, "customer.subscription.created"))
    assert await value("SELECT words FROM plan") == "known"


async def test_saved_methods_come_and_go(account: Connected, stripe: stripe_sdk.V1Services) -> None:
    customer = stripe.customers.create({"name": "Globex"}).id
    card = stripe.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    await process_all(await take_in(account, stripe))
    row = await row_of("payment_method")
    assert (row["words"], row["kind"], row["customer_external_id"]) == ("Visa ending 4242", "card", customer)
    assert row["expires_year"] is not None
    stripe.payment_methods.detach(card)
    await process_all(await take_in(account, stripe))
    assert (await row_of("payment_method"))["customer_external_id"] is None


DAY = 86400
HOUR = 3600


class Year:
    """A year of one subscription on the sandbox's clock, step by step; a step is shorter than a month."""

    def __init__(self, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services) -> None:
        self.sandbox, self.stripe = sandbox, stripe
        self.id = ""
        self.seen: list[str] = []
        """The statuses after each step."""

    def steps(self) -> Iterator[None]:
        """Try, pay, fail, recover, change to the dearer plan, go on, cancel."""
        self.id = subscribe(self.stripe, plan(self.stripe), trial_period_days=14).id
        yield
        yield from self._go(days=12)
        yield from self._to_renewal()
        yield from self._go(hours=2)
        yield from self._month()
        self._refuse("visa_chargeDeclined")
        yield from self._month()
        yield from self._go(days=3)
        self._refuse(None)
        yield from self._go(days=5)
        self._upgrade()
        yield from self._go(hours=1)
        for _ in range(7):
            yield from self._month()
        self.stripe.subscriptions.update(self.id, {"cancel_at_period_end": True})
        yield
        yield from self._to_renewal()

    def _go(self, days: int = 0, hours: int = 0) -> Iterator[None]:
        self.sandbox.advance(days * DAY + hours * HOUR)
        yield

    def _month(self) -> Iterator[None]:
        yield from self._to_renewal()
        yield from self._go(hours=2)

    def _to_renewal(self) -> Iterator[None]:
        """In two parts, because Stripe shows events of 30 days alone."""
        left = self.item().current_period_end - int(self.sandbox.control("GET", "/clock")["a-test"])
        self.sandbox.advance(left // 2)
        yield
        self.sandbox.advance(left - left // 2 + 60)
        yield

    def _refuse(self, card: str | None) -> None:
        customer = self.stripe.customers.retrieve(str(self.now().customer)).invoice_settings
        assert customer is not None
        self.sandbox.control(
            "POST", f"/payment_methods/{customer.default_payment_method}/decline", {"as": card}
        )

    def _upgrade(self) -> None:
        items: Any = [{"id": self.item().id, "price": plan(self.stripe, 5_000, "Care plus"), "quantity": 2}]
        self.stripe.subscriptions.update(self.id, {"items": items, "proration_behavior": "always_invoice"})

    def now(self) -> stripe_sdk.Subscription:
        """The subscription as Stripe has it."""
        return self.stripe.subscriptions.retrieve(self.id)

    def item(self) -> stripe_sdk.SubscriptionItem:
        """What it is to."""
        return self.stripe.subscription_items.list({"subscription": self.id}).data[0]

    async def equals_the_portal(self) -> None:
        """The portal's rows say what Stripe says."""
        row, raw, item = await row_of("subscription"), self.now(), self.item()
        self.seen.append(raw.status)
        assert row["status"] == raw.status
        assert (row["plan_external_id"], row["quantity"]) == (item.price.id, item.quantity)
        assert row["amount_minor"] == (item.price.unit_amount or 0) * (item.quantity or 0)
        assert (row["period_start"], row["period_end"]) == (
            _moment(item.current_period_start),
            _moment(item.current_period_end),
        )
        for name in ("cancel_at", "canceled_at", "ended_at", "trial_end"):
            assert row[name] == _moment(raw.to_dict()[name]), name
        assert row["latest_invoice_external_id"] == raw.latest_invoice
        assert await _invoices_here() == self._invoices()

    def _invoices(self) -> dict[str, tuple[Any, ...]]:
        page = self.stripe.invoices.list({"subscription": self.id, "limit": 100})
        return {
            raw.id: (
                raw.total,
                raw.amount_paid,
                raw.status == "paid",
                raw.attempt_count,
                _moment(raw.next_payment_attempt),
            )
            for raw in page.data
            if raw.status != "draft"  # those are Stripe's alone until they are opened
        }


async def _invoices_here() -> dict[str, tuple[Any, ...]]:
    query = """
        SELECT external_id, total_minor, amount_paid_minor, status = 'paid' AS paid, attempts, next_attempt_at
        FROM invoice
    """
    async with transaction() as tx:
        return {row["external_id"]: tuple(row)[1:] for row in await tx.connection.fetch(query)}


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


ARRIVALS: dict[str, Callable[[list[int]], list[int]]] = {
    "in order": lambda ids: ids,
    "reversed and doubled": lambda ids: [one for one in reversed(ids) for _ in range(2)],
}


@pytest.mark.parametrize("arrival", ARRIVALS)
async def test_a_year_on_the_clock_ends_each_step_as_stripe_has_it(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services, arrival: str
) -> None:
    year = Year(sandbox, stripe)
    for _ in year.steps():
        fresh = await take_in(account, stripe)
        assert await take_in(account, stripe) == []
        await process_all(ARRIVALS[arrival](fresh))
        await year.equals_the_portal()
    statuses = [status for status, _ in itertools.groupby(year.seen)]
    assert statuses == ["trialing", "active", "past_due", "active", "canceled"]
    assert await value("SELECT count(*) FROM invoice WHERE status = 'paid'") == 12
    assert await value("SELECT sum(amount_paid_minor) FROM invoice") == sum(
        paid for _, paid, *_ in year._invoices().values()
    )
    assert await value("SELECT count(*) FROM webhook_event WHERE state NOT IN ('processed', 'ignored')") == 0
