"""What Stripe settles with the customer's balance, or would carry over to the next invoice."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import stripe as stripe_sdk

from plugins.stripe.services.payments import NothingToPay, start_payment
from plugins.stripe.services.publishing import run_sync_task
from portal.audit.services import SYSTEM
from portal.contract.facts import Mode
from portal.customers.details import find_customer
from portal.dashboard.queries import Period, read_figures
from portal.invoices.services import retry_sync
from portal.sdk import current_settings, load_account, payable_invoice
from tests.builders import Connected, make_invoice
from tests.plugins.stripe.services.stories import (
    invoice_row,
    process_all,
    published_invoice,
    take_in,
    task_of,
    value,
)
from tests.plugins.stripe.services.test_made_in_stripe import draft, imported


async def invoice_with_credit(stripe: stripe_sdk.V1Services, amount_minor: int, credit_minor: int) -> int:
    """The second invoice of a customer who has credit at Stripe."""
    first, external_id = await published_invoice()
    customer = str(stripe.invoices.retrieve(external_id).customer)
    stripe.customers.update(customer, {"balance": -credit_minor})
    second = await make_invoice(amount_minor)
    await value(
        "UPDATE invoice SET customer = (SELECT customer FROM invoice WHERE id = $1) WHERE id = $2",
        first,
        second,
    )
    await run_sync_task(await task_of(second))
    return second


async def test_an_invoice_covered_by_credit_is_paid(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id = await invoice_with_credit(stripe, 4_000, 10_000)
    await process_all(await take_in(account, stripe))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["amount_paid_minor"], row["entries"]) == ("paid", 4_000, 1)
    assert await value("SELECT method FROM payment") == "Customer balance"


async def test_what_credit_leaves_over_can_be_paid(account: Connected, stripe: stripe_sdk.V1Services) -> None:
    invoice_id = await invoice_with_credit(stripe, 4_000, 1_000)
    await process_all(await take_in(account, stripe))
    assert (await invoice_row(invoice_id))["status"] == "partly_paid"
    due = await payable_invoice(invoice_id)
    assert due.amount_due.amount_minor == 3_000
    begun = await start_payment(await load_account(account.id), due, current_settings())
    assert begun.data["client_secret"]
    stripe.invoices.pay(str(due.external_id), {"payment_method": "pm_card_visa"})
    await process_all(await take_in(account, stripe))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["amount_paid_minor"], row["entries"]) == ("paid", 4_000, 2)


async def test_what_credit_settled_is_given_back_with_a_void(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id = await invoice_with_credit(stripe, 4_000, 1_000)
    await process_all(await take_in(account, stripe))
    stripe.invoices.void_invoice((await invoice_row(invoice_id))["external_id"])
    await process_all(await take_in(account, stripe))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["amount_paid_minor"]) == ("void", 0), "nobody is reminded of it"


async def test_an_invoice_that_credit_settled_in_part_can_be_given_up(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    """Stripe gives up what it cannot collect: nobody is reminded of it, and it is not counted as owed."""
    invoice_id = await invoice_with_credit(stripe, 4_000, 1_000)
    await process_all(await take_in(account, stripe))
    theirs = str((await invoice_row(invoice_id))["external_id"])
    stripe.invoices.mark_uncollectible(theirs)
    await process_all(await take_in(account, stripe))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["amount_paid_minor"]) == ("uncollectible", 1_000)
    stripe.invoices.pay(theirs, {"payment_method": "pm_card_visa"})
    await process_all(await take_in(account, stripe))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["amount_paid_minor"]) == ("paid", 4_000)


async def test_credit_that_is_used_up_is_not_collected_a_second_time(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    """A customer who paid too much, or whose plan became cheaper, has credit: it is no new money."""
    await invoice_with_credit(stripe, 4_000, 1_000)
    await process_all(await take_in(account, stripe))
    assert await collected() == 0
    stripe.invoices.pay(
        str(stripe.invoices.list({"limit": 1}).data[0].id), {"payment_method": "pm_card_visa"}
    )
    await process_all(await take_in(account, stripe))
    assert await collected() == 3_000
    detail = await find_customer(
        await value("SELECT customer FROM invoice"), today=date(2026, 11, 1), mode=Mode.TEST
    )
    assert [money.amount_minor for money in detail.paid] == [3_000]


async def test_what_is_said_to_have_come_elsewhere_is_collected(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    _, external_id = await published_invoice(4_000)
    stripe.invoices.pay(external_id, {"paid_out_of_band": True})
    await process_all(await take_in(account, stripe))
    assert await collected() == 4_000


async def test_what_is_too_little_to_charge_is_paid_with_the_next_invoice(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    small = draft(stripe, [20])
    stripe.invoices.finalize_invoice(small)
    told = stripe.invoices.retrieve(small)
    assert told.status == "paid"
    await process_all(await take_in(account, stripe))
    row = await imported(small)
    assert (row["status"], row["amount_paid_minor"]) == ("paid", 20)
    later = stripe.invoices.create({"customer": str(told.customer), "currency": "usd"}).id
    stripe.invoices.add_lines(later, {"lines": [{"description": "Work", "amount": 1_000}]})
    stripe.invoices.pay(later, {"payment_method": "pm_card_visa"})
    assert stripe.invoices.retrieve(later).amount_paid == 1_020
    await process_all(await take_in(account, stripe))
    row = await imported(later)
    assert (row["status"], row["amount_paid_minor"]) == ("paid", 1_000)
    assert await collected() == 1_020


async def test_an_older_debt_is_not_asked_for_with_an_invoice_that_does_not_say_so(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id = await invoice_with_credit(stripe, 4_000, -1_000)
    row = await invoice_row(invoice_id)
    assert row["sync_state"] == "failed"
    assert "owes $10.00 in Stripe" in row["sync_error"]
    theirs = stripe.invoices.retrieve(row["external_id"])
    assert theirs.status == "draft"
    stripe.customers.update(str(theirs.customer), {"balance": 0})
    await retry_sync(invoice_id, actor=SYSTEM)
    await run_sync_task(await task_of(invoice_id))
    due = await payable_invoice(invoice_id)
    begun = await start_payment(await load_account(account.id), due, current_settings())
    assert begun.data["client_secret"]


async def test_who_pays_an_older_debt_with_an_invoice_of_stripes_learns_that_it_cannot_be_done_here(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    theirs = draft(stripe, [1_000])
    stripe.customers.update(str(stripe.invoices.retrieve(theirs).customer), {"balance": 20})
    stripe.invoices.finalize_invoice(theirs)
    await process_all(await take_in(account, stripe))
    due = await payable_invoice((await imported(theirs))["id"])
    with pytest.raises(NothingToPay, match="older debt"):
        await start_payment(await load_account(account.id), due, current_settings())


async def collected() -> int:
    """What the dashboard says of this month and the one before, in cents."""
    figures = await read_figures("test", Period(datetime.now(UTC)), currency="usd")
    both = zip(figures.collected, figures.collected_before, strict=True)
    return sum(now.amount_minor + before.amount_minor for now, before in both)


async def test_an_amount_too_small_to_charge_is_refused_before_stripe_has_it(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id = await make_invoice(49)
    await run_sync_task(await task_of(invoice_id))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["sync_state"]) == ("open", "failed")
    assert "$0.50" in row["sync_error"]
    assert stripe.invoices.list().data == []
    enough = await make_invoice(50)
    await run_sync_task(await task_of(enough))
    assert (await invoice_row(enough))["sync_state"] == "in_step"
