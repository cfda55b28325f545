"""Retry payment now: one attempt for each time somebody asks, and never a second charge."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.publishing import run_sync_task
from portal.audit.services import SYSTEM
from portal.errors import Conflict
from portal.invoices.collecting import request_collection
from tests.builders import Connected, make_invoice
from tests.plugins.stripe.services.stories import invoice_row, process_all, retry_now, take_in, value

PAY = "POST /v1/invoices/*/pay"


@pytest.fixture
async def declined(account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services) -> int:
    """An invoice that Stripe made and could not collect once."""
    customer = stripe.customers.create({"name": "Globex"})
    _save_method(stripe, customer.id, "pm_card_chargeCustomerFail")
    theirs = stripe.invoices.create({"customer": customer.id, "currency": "usd", "auto_advance": True}).id
    stripe.invoices.add_lines(theirs, {"lines": [{"description": "x", "amount": 900}]})
    sandbox.advance(2 * 3600 + 60)
    sandbox.advance(3600)
    await process_all(await take_in(account, stripe))
    return int(await value("SELECT id FROM invoice WHERE external_id = $1", theirs))


def _save_method(stripe: stripe_sdk.V1Services, customer: str, method: str) -> None:
    saved = stripe.payment_methods.attach(method, {"customer": customer})
    stripe.customers.update(customer, {"invoice_settings": {"default_payment_method": saved.id}})


async def _copy(stripe: stripe_sdk.V1Services, invoice_id: int) -> Any:
    return stripe.invoices.retrieve(
        str(await value("SELECT external_id FROM invoice WHERE id = $1", invoice_id))
    )


async def _tries(stripe: stripe_sdk.V1Services, invoice_id: int) -> int:
    """How many charges were tried. The invoice's own count leaves out those that people ask for."""
    customer = str((await _copy(stripe, invoice_id)).customer)
    return len(stripe.charges.list({"customer": customer, "limit": 100}).data)


async def _ask(invoice_id: int) -> int:
    await request_collection(invoice_id, actor=SYSTEM)
    return int(await value("SELECT id FROM sync_task WHERE kind = 'collect_invoice'"))


async def _state() -> Any:
    return await value("SELECT state FROM sync_task WHERE kind = 'collect_invoice'")


async def test_a_method_that_works_meanwhile_pays_the_invoice_once(
    declined: int, stripe: stripe_sdk.V1Services
) -> None:
    _save_method(stripe, str((await _copy(stripe, declined)).customer), "pm_card_visa")
    await run_sync_task(await _ask(declined))
    row = await invoice_row(declined)
    assert (row["status"], row["entries"], await _state()) == ("paid", 1, "done")
    with pytest.raises(Conflict, match="not collected"):
        await request_collection(declined, actor=SYSTEM)


async def test_another_refusal_is_one_more_attempt_and_can_be_asked_for_again(
    declined: int, stripe: stripe_sdk.V1Services
) -> None:
    for tries in (2, 3):
        await run_sync_task(await _ask(declined))
        assert await _tries(stripe, declined) == tries
        assert ((await invoice_row(declined))["status"], await _state()) == ("open", "done")


async def test_two_who_ask_at_once_make_one_attempt(declined: int, stripe: stripe_sdk.V1Services) -> None:
    task = await _ask(declined)
    with pytest.raises(Conflict, match="being tried"):
        await request_collection(declined, actor=SYSTEM)
    await run_sync_task(task)
    await run_sync_task(task)
    assert await _tries(stripe, declined) == 2


@pytest.mark.parametrize("hours", [0, 25])
async def test_an_attempt_whose_answer_was_lost_is_not_made_again(
    declined: int, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services, hours: int
) -> None:
    task = await _ask(declined)
    sandbox.add_fault(match=PAY, times=1, drop="after")
    await run_sync_task(task)
    assert await _state() == "unknown"
    sandbox.advance(hours * 3600)
    tries = await _tries(stripe, declined)
    await retry_now(task)
    assert await _tries(stripe, declined) == tries
    assert await _state() == "done"


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "GET /v1/invoices/*", "status": 503},
        {"match": PAY, "status": 429, "headers": {"Retry-After": "2"}},
        {"match": PAY, "status": 403},
    ],
)
async def test_who_asked_learns_that_nothing_was_tried_and_may_ask_again(
    declined: int, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services, fault: dict[str, Any]
) -> None:
    task = await _ask(declined)
    sandbox.add_fault(times=1, **fault)
    await run_sync_task(task)
    assert (await _state(), await _tries(stripe, declined)) == ("failed", 1)
    assert "Nothing was charged." in await value("SELECT error FROM sync_task WHERE id = $1", task)
    await value("DELETE FROM call_budget")  # nobody waits here for the pause that was asked for
    await run_sync_task(await _ask(declined))
    assert (await _state(), await _tries(stripe, declined)) == ("done", 2)


async def test_what_was_paid_meanwhile_is_not_charged(
    declined: int, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    task = await _ask(declined)
    copy = await _copy(stripe, declined)
    stripe.invoices.pay(copy.id, {"payment_method": "pm_card_visa"})
    sandbox.control("DELETE", "/calls")
    await run_sync_task(task)
    assert "POST /v1/invoices/{invoice}/pay" not in sandbox.calls()
    assert (await invoice_row(declined))["status"] == "paid"


async def test_an_invoice_of_our_own_is_paid_by_who_opens_it(account: Connected) -> None:
    with pytest.raises(Conflict):
        await request_collection(await make_invoice(), actor=SYSTEM)
