"""No event ever arrives, and the portal ends where Stripe is all the same: by walks, runs and comparisons."""

from __future__ import annotations

import random

import stripe as stripe_sdk

from plugins.stripe.plugin import plugin
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.webhooks import process_event
from portal.audit.services import SYSTEM
from portal.database.transaction import connection
from portal.exchange.run_work import work_on_run
from portal.exchange.runs import Purpose, RunOrder, start_run
from portal.exchange.walks import walk_account
from tests.builders import Connected
from tests.plugins.stripe.services.stories import published_invoice, value

PAID = "SELECT count(*) FROM invoice WHERE status = 'paid' AND amount_paid_minor = total_minor"
NOTED = "SELECT count(DISTINCT external_id) FROM sync_difference WHERE state = $1 AND kind = 'drift'"


async def run(account: Connected, purpose: Purpose, *, repairs: bool = False) -> dict[str, int]:
    """A run from its start to its end; its counts."""
    started = await start_run(RunOrder(account.id, plugin, purpose, repairs=repairs), actor=SYSTEM)
    await work_on_run(started.run_id)
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT r.state, r.error, sum(c.seen)::int AS seen, sum(c.created)::int AS created,
                   sum(c.differing)::int AS differing
            FROM sync_run r JOIN sync_cursor c ON c.run = r.id WHERE r.id = $1 GROUP BY r.id
            """,
            started.run_id,
        )
    found = dict(row or {})
    assert (found.pop("state"), found.pop("error")) == ("done", "")
    return found


def pay(stripe: stripe_sdk.V1Services, invoice: str) -> None:
    stripe.invoices.pay(invoice, {"payment_method": "pm_card_visa"})


async def test_what_was_never_delivered_is_walked_and_handled(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    published = [await published_invoice() for _ in range(3)]
    for _, external_id in published:
        pay(stripe, external_id)
    assert await value(PAID) == 0
    assert await walk_account(account.id) > 0
    async with connection() as held:
        ids = [row["id"] for row in await held.fetch("SELECT id FROM webhook_event WHERE origin = 'list'")]
    for event_id in ids:
        await process_event(event_id)
    assert await value(PAID) == 3
    assert await walk_account(account.id) == 0
    assert await value("SELECT count(*) FROM webhook_event WHERE state NOT IN ('processed', 'ignored')") == 0


async def test_an_empty_portal_is_filled_once_with_what_stripe_has(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    customer = stripe.customers.create({"name": "Globex", "email": "ap@globex.example"}).id
    invoice = stripe.invoices.create({"customer": customer, "auto_advance": False}).id
    assert invoice
    stripe.invoice_items.create({"customer": customer, "invoice": invoice, "amount": 9000, "currency": "usd"})
    stripe.invoices.finalize_invoice(invoice)
    pay(stripe, invoice)
    sandbox.control("POST", "/invoice-copies", {"invoice": invoice, "count": 120, "apart": -60})
    sandbox.control("POST", "/subscriptions", {"count": 3})
    first = await run(account, Purpose.RESYNC)
    assert await value(PAID) == 121
    assert await value("SELECT count(*) FROM payment") == 121
    assert await value("SELECT count(*) FROM subscription") == 3
    again = await run(account, Purpose.RESYNC)
    assert (again["seen"], again["created"], again["differing"]) == (first["seen"], 0, 0)
    assert await value("SELECT count(*) FROM payment") == 121


async def test_twenty_lost_events_are_named_then_mended_and_nothing_differs_after_that(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    published = [external_id for _, external_id in [await published_invoice() for _ in range(24)]]
    for external_id in random.Random(20).sample(published, 20):  # noqa: S311 - which ones does not matter
        pay(stripe, external_id)
    found = await run(account, Purpose.COMPARISON)
    assert found["differing"] == 20
    assert (await value(NOTED, "open"), await value(PAID)) == (20, 0)
    await run(account, Purpose.COMPARISON, repairs=True)
    assert (await value(NOTED, "open"), await value(NOTED, "repaired"), await value(PAID)) == (0, 20, 20)
    assert (await run(account, Purpose.COMPARISON))["differing"] == 0
