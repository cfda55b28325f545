"""Everything of a kind, a page at a time, and Stripe's own list of events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.domain.invoices import InvoiceReading, Raw, read_invoice
from plugins.stripe.gateway import lists
from plugins.stripe.plugin import plugin
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.links import find_links
from plugins.stripe.services.listings import invoices, pages
from plugins.stripe.services.listings.objects import subscriptions_taken
from plugins.stripe.services.listings.together import together
from plugins.stripe.services.readings import invoices as readings_of_invoices
from portal.database.transaction import connection, transaction
from portal.exchange.applying import apply_page, apply_reading
from portal.sdk import (
    Account,
    AttemptsUnderWay,
    CustomerSeen,
    DisputeSeen,
    InvoiceSeen,
    PageWanted,
    PaymentProcessing,
    PaymentSucceeded,
    ProviderUnavailable,
    Reading,
    RefundSeen,
    SubscriptionSeen,
    load_account,
)
from tests.builders import Connected
from tests.plugins.stripe.services.stories import (
    intent_of,
    process_all,
    published_invoice,
    reads_of,
    take_in,
    value,
)
from tests.plugins.stripe.services.test_made_in_stripe import ELSEWHERE, draft
from tests.plugins.stripe.services.test_subscription_events import plan, subscribe

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
async def opened(account: Connected) -> Account:
    return await load_account(account.id)


async def every(opened: Account, kind: str, **range_: Any) -> list[Reading]:
    """All readings of a kind, page after page."""
    found: list[Reading] = []
    after: str | None = None
    while True:
        page = await plugin.read_page(opened, PageWanted(kind, after=after, **range_))
        found += page.readings
        after = page.after
        if after is None:
            return found


def facts(readings: list[Reading], kind: type) -> list[Any]:
    return [fact for reading in readings for fact in reading.facts if isinstance(fact, kind)]


async def test_every_kind_is_listed_and_all_pages_come(
    opened: Account, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    for number in range(105):
        stripe.customers.create({"name": f"Customer {number}"})
    subscribe(stripe, plan(stripe))
    with reads_of(sandbox) as reads:
        counts = {kind.id: len(await every(opened, kind.id)) for kind in plugin.listed_kinds}
    assert counts == {
        "customers": 106,
        "products": 1,
        "prices": 1,
        "subscriptions": 1,
        "invoices": 1,
        "refunds": 0,
        "disputes": 0,
    }
    assert sum(reads.values()) == 8, "a page for each kind, two of customers"
    assert all(route.count("/") == 2 for route in reads), "no object is read for itself"


async def test_a_page_of_invoices_says_who_made_them_and_what_was_paid(
    opened: Account, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    ours, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    theirs = draft(stripe, [300])
    stripe.invoices.finalize_invoice(theirs)
    draft(stripe, [100])
    clone = draft(stripe, [200], metadata={"portal_invoice": f"{ELSEWHERE}:{ours}"})
    stripe.invoices.finalize_invoice(clone)
    with reads_of(sandbox) as reads:
        page = await plugin.read_page(opened, PageWanted("invoices"))
    assert reads == {"GET /v1/invoices": 1}
    assert [r.key for r in page.readings] == [f"invoice:{theirs}", f"invoice:{external_id}"]
    assert [r.invoice_id for r in page.readings] == [None, ours]
    (seen,) = facts(list(page.readings), InvoiceSeen)
    assert (seen.external_id, seen.total.amount_minor) == (theirs, 300)
    (paid,) = facts(list(page.readings), PaymentSucceeded)
    assert (paid.invoice_id, paid.external_id) == (ours, intent_of(stripe, external_id))
    assert [f.invoice_id for f in facts(list(page.readings), AttemptsUnderWay)] == [ours], (
        "of an open one a list does not know"
    )


async def test_a_bank_debit_that_is_under_way_is_seen_in_a_page(
    opened: Account, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    _, external_id = await published_invoice()
    intent = intent_of(stripe, external_id)
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_insufficientFunds"})
    sandbox.settle(intent)
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_success"})
    readings = await every(opened, "invoices", open_only=True)
    assert len(facts(readings, PaymentProcessing)) == 1


async def test_a_page_tells_how_an_attempt_that_is_awaited_has_ended(
    account: Connected, opened: Account, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    _, external_id = await published_invoice()
    intent = intent_of(stripe, external_id)
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_success"})
    await process_all(await take_in(account, stripe))
    sandbox.settle(intent)
    (reading,) = await every(opened, "invoices")
    async with transaction() as tx:
        await apply_reading(tx.connection, opened, reading)
    assert await value("SELECT state FROM payment_attempt") == "succeeded"
    assert await value("SELECT status FROM invoice") == "paid"


async def test_only_what_can_still_change_is_listed_when_asked(
    opened: Account, stripe: stripe_sdk.V1Services
) -> None:
    made = [draft(stripe, [300]) for _ in range(4)]
    for one in made:
        stripe.invoices.finalize_invoice(one)
    stripe.invoices.void_invoice(made[0])
    stripe.invoices.mark_uncollectible(made[1])
    subscriptions = [subscribe(stripe, plan(stripe)).id for _ in range(2)]
    stripe.subscriptions.cancel(subscriptions[0])
    open_ones = await every(opened, "invoices", open_only=True)
    assert [r.key for r in open_ones] == [f"invoice:{made[n]}" for n in (3, 2, 1)]
    running = facts(await every(opened, "subscriptions", open_only=True), SubscriptionSeen)
    assert [fact.external_id for fact in running] == [subscriptions[1]]
    assert len(await every(opened, "subscriptions")) == 2


async def test_a_range_of_time_is_kept_to(
    opened: Account, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    first = stripe.customers.create({"name": "First"})
    sandbox.advance(3600)
    stripe.customers.create({"name": "Second"})
    stripe.customers.create({"name": "Of a check", "metadata": {"portal_probe": "1"}})
    moment = datetime.fromtimestamp(first.created, UTC) + timedelta(minutes=1)
    before = facts(await every(opened, "customers", until=moment), CustomerSeen)
    after = facts(await every(opened, "customers", since=moment), CustomerSeen)
    assert ([c.name for c in before], [c.name for c in after]) == (["First"], ["Second"])


async def test_refunds_and_disputes_come_by_the_invoice_that_was_paid(
    opened: Account, stripe: stripe_sdk.V1Services
) -> None:
    ours, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    for amount in (100, 200):
        stripe.refunds.create({"payment_intent": intent_of(stripe, external_id), "amount": amount})
    disputed, other = await published_invoice()
    stripe.invoices.pay(other, {"payment_method": "pm_card_createDispute"})
    (refunds,) = await every(opened, "refunds")
    assert (refunds.key, refunds.invoice_id) == (f"invoice:{external_id}", ours)
    assert sorted(fact.amount.amount_minor for fact in facts([refunds], RefundSeen)) == [100, 200]
    (disputes,) = await every(opened, "disputes")
    assert [fact.invoice_id for fact in facts([disputes], DisputeSeen)] == [disputed]


async def test_what_was_taken_of_a_page_is_kept_and_linked(
    opened: Account, stripe: stripe_sdk.V1Services
) -> None:
    ours, external_id = await published_invoice()
    left_out = plan(stripe)
    kept = plan(stripe)
    await value("DELETE FROM stripe_link")
    invoices = await plugin.read_page(opened, PageWanted("invoices"))
    prices = await plugin.read_page(opened, PageWanted("prices"))
    async with transaction() as tx:
        assert invoices.save is not None
        assert prices.save is not None
        await invoices.save(tx.connection, {r.key: r.invoice_id for r in invoices.readings})
        await prices.save(tx.connection, {r.key: None for r in prices.readings if left_out not in r.key})
    assert await value("SELECT invoice FROM stripe_link WHERE external_id = $1", external_id) == ours
    assert await value("SELECT count(*) FROM stripe_link") == 2
    assert await value("SELECT external_id FROM stripe_object WHERE kind = 'price'") == kept


async def test_stripes_list_of_events_is_what_the_endpoint_would_have_been_sent(
    account: Connected, opened: Account, stripe: stripe_sdk.V1Services
) -> None:
    stripe.customers.create({"name": "Globex"})
    stripe.tax_rates.create({"display_name": "VAT", "percentage": 20, "inclusive": False})
    for number in range(120):
        stripe.customers.create({"name": f"Customer {number}"})
    first = await plugin.list_events(opened, since=YESTERDAY, after=None)
    assert first is not None
    rest = await plugin.list_events(opened, since=YESTERDAY, after=first.after)
    assert rest is not None
    found = [*first.events, *rest.events]
    assert (len(first.events), rest.after) == (100, None)
    assert {one.event.type for one in found} == {"customer.created"}
    assert len({one.event.external_id for one in found}) == len(found) == 121
    newest = found[0]
    await take_in(account, stripe, "customer.created")
    stored = await value(
        "SELECT object_id || group_id || type FROM webhook_event WHERE external_id = $1",
        newest.event.external_id,
    )
    assert stored == newest.event.object_id + newest.event.group_id + newest.event.type


async def test_a_subscription_costs_the_same_in_a_page_that_does_not_show_all_its_items(
    opened: Account, stripe: stripe_sdk.V1Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(stripe, plan(stripe))
    (whole,) = facts(await every(opened, "subscriptions"), SubscriptionSeen)

    async def cut(*arguments: Any) -> Raw:
        page = await lists.list_subscriptions(*arguments)
        page["data"][0]["items"] |= {"data": page["data"][0]["items"]["data"][:1], "has_more": True}
        page["data"][0]["items"]["data"][0]["quantity"] = 99
        return page

    monkeypatch.setitem(pages._KINDS, "subscriptions", pages._Kind(cut, subscriptions_taken, ("all",)))
    (seen,) = facts(await every(opened, "subscriptions"), SubscriptionSeen)
    assert seen.amount == whole.amount


async def test_each_invoice_of_a_page_is_translated_once(
    opened: Account, stripe: stripe_sdk.V1Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await published_invoice()
    made = draft(stripe, [300])
    stripe.invoices.finalize_invoice(made)
    translated: list[str] = []

    def counted(raw: Raw) -> InvoiceReading:
        translated.append(raw["id"])
        return read_invoice(raw)

    monkeypatch.setattr(invoices, "read_invoice", counted)
    monkeypatch.setattr(readings_of_invoices, "read_invoice", counted)
    page = await plugin.read_page(opened, PageWanted("invoices"))
    async with transaction() as tx:
        await apply_page(tx.connection, opened, page, read_at=datetime.now(UTC))
    assert sorted(f"invoice:{each}" for each in translated) == sorted(r.key for r in page.readings)
    assert await value("SELECT count(*) FROM stripe_link WHERE kind = 'invoice'") == 2


async def test_links_are_found_by_their_names_without_a_look_at_others(account: Connected) -> None:
    await published_invoice()
    async with connection() as held, held.transaction():
        await held.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await find_links(account.id, ["pi_0"])
        await held.execute(
            """
            INSERT INTO stripe_link (account, mode, kind, external_id, invoice, invoice_external_id)
            SELECT account, mode, 'payment_intent', 'pi_' || number, invoice, invoice_external_id
            FROM stripe_link, generate_series(1, 300) AS number WHERE kind = 'invoice'
            """
        )
        looked_at = """
        SELECT (seq_tup_read + idx_tup_fetch)::int FROM pg_stat_xact_user_tables WHERE relname = 'stripe_link'
        """
        before = await held.fetchval(looked_at)
        assert set(await find_links(account.id, ["pi_1", "pi_2", "pi_301"])) == {"pi_1", "pi_2"}
        assert await held.fetchval(looked_at) - before <= 3


async def test_of_a_page_that_is_lost_nothing_more_is_read() -> None:
    read = []

    async def one(number: int) -> Raw:
        if number == 0:
            raise ProviderUnavailable("Stripe is away.")
        await asyncio.sleep(0.01)
        read.append(number)
        return {}

    with pytest.raises(ProviderUnavailable):
        await together(one(number) for number in range(3))
    await asyncio.sleep(0.05)
    assert read == []
