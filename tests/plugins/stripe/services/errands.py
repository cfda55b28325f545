"""A story for each kind of task: what a person does here, the call that follows, what must be so at rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe as stripe_sdk

from plugins.stripe.domain.agreements import METHOD_KEY
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.accounts.services import load_account
from portal.audit.services import SYSTEM
from portal.contract.facts import Mode
from portal.contract.work import Subject
from portal.customers.services import CustomerProfile, update_customer
from portal.exchange.work import refresh_subject
from portal.invoices import closing
from portal.invoices import services as invoices
from portal.invoices.credits import CreditRequest, request_credit
from portal.money import Money
from portal.subscriptions.plan_rules import PlanChange
from portal.subscriptions.services import request_change, request_plan_change
from portal.subscriptions.starts import WantedStart, request_start
from tests.builders import Connected, make_customer
from tests.plugins.stripe.services.stories import intent_of, invoice_row, published_invoice, value

TOTAL = 48_000


@dataclass(frozen=True, slots=True)
class Errand:
    """A task that waits, the route of its call, and the check of what it brought about."""

    task: int
    route: str
    check: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class World:
    """Both sides."""

    account: Connected
    sandbox: RunningSandbox
    stripe: stripe_sdk.V1Services

    async def waiting(self, kind: str) -> int:
        """The task of this kind that waits."""
        return int(await value("SELECT id FROM sync_task WHERE kind = $1 AND state = 'waiting'", kind))

    async def refresh(self, key: str) -> None:
        """Read an object now and apply it."""
        await refresh_subject(await load_account(self.account.id), Subject(key, (key.partition(":")[2],)))


async def void(world: World) -> Errand:
    """An invoice is voided."""
    invoice_id, external_id = await published_invoice(TOTAL)
    await invoices.void(invoice_id, actor=SYSTEM)

    async def check() -> None:
        assert world.stripe.invoices.retrieve(external_id).status == "void"
        assert (await invoice_row(invoice_id))["sync_state"] == "in_step"

    return Errand(await world.waiting("void_invoice"), "POST /v1/invoices/*/void", check)


async def uncollectible(world: World) -> Errand:
    """A debt is given up."""
    invoice_id, external_id = await published_invoice(TOTAL)
    await closing.mark_uncollectible(invoice_id, actor=SYSTEM)

    async def check() -> None:
        row = await invoice_row(invoice_id)
        assert world.stripe.invoices.retrieve(external_id).status == "uncollectible"
        assert (row["status"], row["sync_state"]) == ("uncollectible", "in_step")

    return Errand(
        await world.waiting("uncollectible_invoice"), "POST /v1/invoices/*/mark_uncollectible", check
    )


async def settle(world: World) -> Errand:
    """The money came by bank transfer."""
    invoice_id, external_id = await published_invoice(TOTAL)
    payment = closing.OfflinePayment(Money(TOTAL, "usd"), "Bank transfer", "", datetime.now(UTC))
    await closing.record_offline_payment(invoice_id, payment, actor=SYSTEM)

    async def check() -> None:
        theirs, row = world.stripe.invoices.retrieve(external_id), await invoice_row(invoice_id)
        assert (theirs.status, theirs.amount_paid) == ("paid", TOTAL)
        assert (row["status"], row["amount_paid_minor"], row["entries"]) == ("paid", TOTAL, 1)
        assert row["sync_state"] == "in_step"

    return Errand(await world.waiting("settle_invoice"), "POST /v1/invoices/*/pay", check)


async def report(world: World, route: str = "POST /v1/payment_records/report_payment") -> Errand:
    """Two parts came by bank transfer."""
    invoice_id, external_id = await published_invoice(TOTAL)
    for amount in (5_000, 3_000):
        payment = closing.OfflinePayment(Money(amount, "usd"), "Bank transfer", "RF18", datetime.now(UTC))
        await closing.record_offline_payment(invoice_id, payment, actor=SYSTEM)

    async def check() -> None:
        theirs, row = world.stripe.invoices.retrieve(external_id), await invoice_row(invoice_id)
        assert (theirs.status, theirs.amount_paid, theirs.amount_remaining) == ("open", 8_000, 40_000)
        assert (row["status"], row["amount_paid_minor"], row["entries"]) == ("partly_paid", 8_000, 2)
        assert row["sync_state"] == "in_step"
        assert len(world.stripe.payment_records.list().data) == 2

    return Errand(await world.waiting("report_payments"), route, check)


async def attach(world: World) -> Errand:
    """The same, and what goes wrong is the second step."""
    return await report(world, "POST /v1/invoices/*/attach_payment")


async def credit(world: World) -> Errand:
    """A part is not asked for any more."""
    invoice_id, _ = await published_invoice(TOTAL)
    wanted = CreditRequest(Money(8_000, "usd"), "A desk was scratched.")
    await request_credit(invoice_id, wanted, actor=SYSTEM)

    async def check() -> None:
        (theirs,), row = world.stripe.credit_notes.list().data, await invoice_row(invoice_id)
        assert (theirs.amount, theirs.memo) == (8_000, "A desk was scratched.")
        assert (row["status"], row["amount_paid_minor"], row["entries"]) == ("partly_paid", 8_000, 1)
        assert await value("SELECT status || ' ' || external_id FROM credit") == f"issued {theirs.id}"

    return Errand(await world.waiting("send_credit"), "POST /v1/credit_notes", check)


async def refund(world: World) -> Errand:
    """A part of a card payment goes back."""
    invoice_id, external_id = await published_invoice(TOTAL)
    world.stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    await world.refresh(f"invoice:{external_id}")
    intent = intent_of(world.stripe, external_id)
    wanted = closing.RefundRequest(intent, Money(1_000, "usd"), "requested_by_customer")
    await closing.request_refund(invoice_id, wanted, actor=SYSTEM)

    async def check() -> None:
        (theirs,) = world.stripe.refunds.list().data
        assert (theirs.amount, theirs.reason) == (1_000, "requested_by_customer")
        row = await invoice_row(invoice_id)
        assert (row["amount_returned_minor"], await value("SELECT count(*) FROM refund")) == (1_000, 1)
        assert await value("SELECT external_id FROM refund") == theirs.id

    return Errand(await world.waiting("send_refund"), "POST /v1/refunds", check)


async def rename(world: World) -> Errand:
    """A customer is renamed."""
    await published_invoice(TOTAL)
    customer = await value("SELECT id FROM customer")
    version = await value("SELECT updated_at FROM customer")
    profile = CustomerProfile("Globex Holding", "holding@globex.example")
    await update_customer(customer, profile, version=version, actor=SYSTEM)

    async def check() -> None:
        (theirs,) = world.stripe.customers.list().data
        assert (theirs.name, theirs.email) == (profile.name, profile.email)
        assert await value("SELECT name FROM customer_link") == profile.name
        assert await value("SELECT count(*) FROM sync_difference") == 0

    return Errand(await world.waiting("push_customer"), "POST /v1/customers/*", check)


async def planted_subscription(world: World) -> str:
    """A subscription that both sides have; its id in Stripe."""
    planted = world.sandbox.control("POST", "/subscriptions", {"count": 1, "status": "active"})
    external_id = str(planted["data"][0]["id"])
    await world.refresh(f"subscription:{external_id}")
    return external_id


async def cancel(world: World) -> Errand:
    """A subscription is to end with its period."""
    external_id = await planted_subscription(world)
    await request_change(await value("SELECT id FROM subscription"), "cancel_at_period_end", actor=SYSTEM)

    async def check() -> None:
        assert world.stripe.subscriptions.retrieve(external_id).cancel_at_period_end
        assert await value("SELECT cancel_at_period_end AND wish = '' FROM subscription")

    return Errand(await world.waiting("change_subscription"), "POST /v1/subscriptions/*", check)


async def set_up(world: World, subscription: str, card: str = "pm_card_mastercard", **other: str) -> str:
    """The subscription's customer agrees to a card, as the page lets them; the method's id."""
    customer = str(world.stripe.subscriptions.retrieve(subscription).customer)
    wanted: Any = {
        "customer": other.get("customer", customer),
        "metadata": {METHOD_KEY: subscription},
        "payment_method": card,
        "confirm": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
    }
    made = world.stripe.setup_intents.create(wanted)
    assert made.status == "succeeded"
    return str(made.payment_method)


async def recharge(world: World) -> Errand:
    """A customer chose another card for a subscription."""
    external_id = await planted_subscription(world)
    method = await set_up(world, external_id)
    await world.refresh(f"payment_method:{method}")

    async def check() -> None:
        assert world.stripe.subscriptions.retrieve(external_id).default_payment_method == method
        assert await value("SELECT method_external_id || wish_method_external_id FROM subscription") == method

    return Errand(await world.waiting("use_method"), "POST /v1/subscriptions/*", check)


async def start(world: World) -> Errand:
    """A subscription is started from here."""
    monthly: Any = {"currency": "usd", "unit_amount": 2_000, "recurring": {"interval": "month"}}
    monthly["product_data"] = {"name": "Care"}
    price = world.stripe.prices.create(monthly)
    await world.refresh(f"price:{price.id}")
    wanted = WantedStart(
        await make_customer(), await value("SELECT id FROM plan"), quantity=2, trial_days=0, send_link=False
    )
    await request_start(wanted, Mode.TEST, actor=SYSTEM)

    async def check() -> None:
        (theirs,) = world.stripe.subscriptions.list({"status": "all"}).data
        assert theirs["quantity"] == 2
        assert (
            await value("SELECT status || ' ' || external_id FROM subscription_order") == f"made {theirs.id}"
        )
        # Found again after more than 23 hours it has ended unpaid, and its invoice is void.
        status, link = ("incomplete", 1) if theirs.status == "incomplete" else ("incomplete_expired", 0)
        assert await value("SELECT string_agg(status, ' ') FROM subscription") == status
        assert await value("SELECT count(*) FROM invoice WHERE pay_token_hash IS NOT NULL") == link

    return Errand(await world.waiting("start_subscription"), "POST /v1/subscriptions", check)


async def planted_plan(world: World, amount: int, interval: str = "month") -> str:
    """Another plan that both sides have; its id in Stripe."""
    made = world.stripe.prices.create(
        {
            "currency": "usd",
            "unit_amount": amount,
            "recurring": {"interval": "year" if interval == "year" else "month"},
            "product_data": {"name": f"Plan of {amount}"},
        }
    )
    await world.refresh(f"product:{made.product}")
    await world.refresh(f"price:{made.id}")
    return str(made.id)


async def change_plan(world: World) -> Errand:
    """A subscription goes to a dearer plan, and what that costs is collected at once."""
    external_id = await planted_subscription(world)
    plan = await planted_plan(world, 9_000)
    wanted = PlanChange(plan, 3, "at_once")
    await request_plan_change(await value("SELECT id FROM subscription"), wanted, actor=SYSTEM)

    async def check() -> None:
        (item,) = world.stripe.subscriptions.retrieve(external_id)["items"].data
        assert (item.price.id, item.quantity) == (plan, 3)
        (invoice,) = world.stripe.invoices.list({"subscription": external_id}).data
        assert invoice.billing_reason == "subscription_update"
        assert len(invoice.lines.data) == 2
        assert await value("SELECT plan_external_id || quantity || wish FROM subscription") == f"{plan}3"

    return Errand(await world.waiting("change_subscription"), "POST /v1/subscriptions/*", check)


ERRANDS: tuple[Callable[[World], Awaitable[Errand]], ...] = (
    void,
    uncollectible,
    settle,
    report,
    attach,
    credit,
    refund,
    rename,
    cancel,
    recharge,
    start,
    change_plan,
)
