"""One invoice of the portal becomes one of Stripe's, whatever happens on the way."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.publishing import run_sync_task
from portal.audit.services import SYSTEM
from portal.invoices import services as invoices
from portal.invoices.sums import Discount, DraftLine
from portal.money import Money
from tests.builders import Connected, make_invoice
from tests.plugins.stripe.services.stories import invoice_row, published_invoice, retry_now, task_of, value


async def test_a_finalised_invoice_is_open_at_stripe_with_our_amount(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice(48_000)
    theirs = stripe.invoices.retrieve(external_id)
    row = await invoice_row(invoice_id)
    assert (theirs.status, theirs.total, theirs.currency) == ("open", 48_000, "usd")
    assert (row["sync_state"], row["external_number"]) == ("in_step", theirs.number)
    assert await value("SELECT state FROM sync_task") == "done"


async def test_discount_and_tax_are_lines_of_stripes_copy_so_that_it_rounds_nothing_anew(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    lines = (DraftLine("Work", 3, Money(3_333, "usd"), Decimal("8.1")), DraftLine("Post", 1, Money(1, "usd")))
    invoice_id = await make_invoice(lines=lines, discount=Discount(percent=Decimal(10)))
    await run_sync_task(await task_of(invoice_id))
    row = await invoice_row(invoice_id)
    theirs = stripe.invoices.retrieve(row["external_id"])
    added = {line.description: line.amount for line in stripe.invoices.line_items.list(theirs.id).data}
    assert added == {"3 × Work": 9_999, "Post": 1, "Discount": -1_000, "Tax": 729}
    assert (theirs.total, theirs.amount_due) == (9_729, 9_729) == (row["total_minor"], row["total_minor"])


async def test_twenty_workers_with_one_task_make_one_invoice(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    task = await task_of(await make_invoice())
    await asyncio.gather(*(run_sync_task(task) for _ in range(20)))
    assert len(stripe.invoices.list().data) == 1


@pytest.mark.parametrize(
    "route",
    [
        "POST /v1/customers",
        "POST /v1/invoices",
        "POST /v1/invoices/*/add_lines",
        "POST /v1/invoices/*/finalize",
    ],
)
@pytest.mark.parametrize("drop", ["before", "after"])
async def test_a_lost_answer_never_makes_a_second_invoice(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services, *, route: str, drop: str
) -> None:
    sandbox.add_fault(match=route, drop=drop, times=1)
    invoice_id = await make_invoice()
    task = await task_of(invoice_id)
    await run_sync_task(task)
    assert await value("SELECT state FROM sync_task WHERE id = $1", task) == "unknown"
    assert (await invoice_row(invoice_id))["sync_state"] == "waiting"
    await retry_now(task)
    (theirs,) = stripe.invoices.list().data
    assert (theirs.status, theirs.total) == ("open", 48_000)
    assert len(stripe.customers.list().data) == 1
    assert (await invoice_row(invoice_id))["sync_state"] == "in_step"


@pytest.mark.parametrize(("status", "state"), [(429, "waiting"), (503, "unknown"), (500, "unknown")])
async def test_a_busy_stripe_is_asked_again_later(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services, *, status: int, state: str
) -> None:
    sandbox.add_fault(match="POST /v1/invoices", status=status, times=1)
    task = await task_of(await make_invoice())
    await run_sync_task(task)
    assert await value("SELECT state FROM sync_task") == state
    assert await value("SELECT due_at > now() FROM sync_task")
    await retry_now(task)
    assert len(stripe.invoices.list().data) == 1


async def test_a_key_that_stripe_forgot_is_replaced_by_a_look(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    sandbox.add_fault(match="POST /v1/invoices", drop="after", times=1)
    task = await task_of(await make_invoice())
    await run_sync_task(task)
    await value("UPDATE sync_task SET created_at = created_at - interval '25 hours'")
    sandbox.advance(25 * 3600)
    await retry_now(task)
    assert len(stripe.invoices.list().data) == 1


async def test_a_refused_key_breaks_the_connection_and_keeps_the_work(
    account: Connected, sandbox: RunningSandbox
) -> None:
    sandbox.control("POST", "/keys/revoke", {"key": sandbox.keys.secret_key})
    await run_sync_task(await task_of(await make_invoice()))
    assert await value("SELECT state FROM sync_task") == "waiting"
    assert await value("SELECT state FROM connected_account") == "broken"


async def test_a_refusal_is_shown_in_words_and_can_be_tried_again(
    account: Connected, sandbox: RunningSandbox
) -> None:
    sandbox.add_fault(match="POST /v1/invoices", status=400, times=1)
    invoice_id = await make_invoice()
    await run_sync_task(await task_of(invoice_id))
    row = await invoice_row(invoice_id)
    assert row["sync_state"] == "failed"
    assert row["sync_error"]
    await invoices.retry_sync(invoice_id, actor=SYSTEM)
    await run_sync_task(await task_of(invoice_id))
    assert (await invoice_row(invoice_id))["sync_state"] == "in_step"


async def test_voiding_here_voids_there(account: Connected, stripe: stripe_sdk.V1Services) -> None:
    invoice_id, external_id = await published_invoice()
    await invoices.void(invoice_id, actor=SYSTEM)
    await run_sync_task(await task_of(invoice_id, "void_invoice"))
    assert stripe.invoices.retrieve(external_id).status == "void"
    assert (await invoice_row(invoice_id))["status"] == "void"


async def test_an_invoice_paid_while_it_is_voided_stays_paid(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    await invoices.void(invoice_id, actor=SYSTEM)
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    await run_sync_task(await task_of(invoice_id, "void_invoice"))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["amount_paid_minor"], row["entries"]) == ("paid", 48_000, 1)


async def test_a_customer_who_was_renamed_before_stripes_answer_came_is_made_once(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    sandbox.add_fault(match="POST /v1/customers", drop="after", times=1)
    task = await task_of(await make_invoice())
    await run_sync_task(task)
    await value("UPDATE customer SET name = 'Globex Trust', email = 'trust@globex.example'")
    await retry_now(task)
    assert await value("SELECT state FROM sync_task WHERE id = $1", task) == "done"
    (made,) = stripe.customers.list().data
    assert await value("SELECT external_id || name FROM customer_link") == f"{made.id}{made.name}"
    await run_sync_task(int(await value("SELECT id FROM sync_task WHERE kind = 'push_customer'")))
    (made,) = stripe.customers.list().data
    assert (made.name, made.email) == ("Globex Trust", "trust@globex.example")
    assert await value("SELECT name FROM customer") == "Globex Trust"


@pytest.mark.parametrize("then", ["publish_invoice", "void_invoice"])
async def test_a_draft_that_somebody_deleted_in_stripe_is_made_again_or_needs_no_voiding(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services, then: str
) -> None:
    sandbox.add_fault(match="POST /v1/invoices/*/finalize", status=400, times=1)
    invoice_id = await make_invoice()
    await run_sync_task(await task_of(invoice_id))
    stripe.invoices.delete(str(await value("SELECT external_id FROM invoice")))
    if then == "void_invoice":
        await invoices.void(invoice_id, actor=SYSTEM)
    else:
        await invoices.retry_sync(invoice_id, actor=SYSTEM)
    await run_sync_task(await task_of(invoice_id, then))
    assert await value("SELECT state || error FROM sync_task WHERE kind = $1", then) == "done"
    assert await value("SELECT sync_state FROM invoice") == "in_step"
    theirs = [one.status for one in stripe.invoices.list().data]
    assert theirs == (["open"] if then == "publish_invoice" else [])
