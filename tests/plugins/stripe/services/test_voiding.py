"""An invoice that is void here cannot be paid at Stripe, whenever it was voided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway import payments as gateway
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.publishing import run_sync_task
from portal.audit.services import SYSTEM
from portal.audit.sources import Source
from portal.contract.facts import InvoiceClosed, Mode
from portal.database.transaction import transaction
from portal.invoices import services as invoices
from portal.invoices.facts import apply_invoice_facts
from tests.builders import Connected, make_invoice
from tests.plugins.stripe.services.stories import (
    intent_of,
    invoice_row,
    process_all,
    published_invoice,
    retry_now,
    take_in,
    task_of,
    value,
)

Call = Callable[..., Awaitable[dict[str, Any]]]


async def run_void_task() -> None:
    task = await value("SELECT id FROM sync_task WHERE kind = 'void_invoice'")
    if task is not None:
        await run_sync_task(task)


@pytest.mark.parametrize("step", ["create_invoice", "add_invoice_lines", "finalize_invoice"])
async def test_an_invoice_voided_on_its_way_to_stripe_is_void_there_too(
    account: Connected, stripe: stripe_sdk.V1Services, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    invoice_id = await make_invoice()
    real: Call = getattr(gateway, step)

    async def voided_meanwhile(*arguments: Any, **named: Any) -> dict[str, Any]:
        await invoices.void(invoice_id, actor=SYSTEM)
        await run_void_task()
        return await real(*arguments, **named)

    monkeypatch.setattr(gateway, step, voided_meanwhile)
    await run_sync_task(await task_of(invoice_id))
    await run_void_task()
    assert [theirs.status for theirs in stripe.invoices.list().data] == ["void"]
    row = await invoice_row(invoice_id)
    assert (row["status"], row["sync_state"]) == ("void", "in_step")


async def test_an_invoice_voided_before_stripe_heard_of_it_stays_here(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id = await make_invoice()
    await invoices.void(invoice_id, actor=SYSTEM)
    await run_sync_task(await task_of(invoice_id))
    assert stripe.invoices.list().data == []
    assert (await invoice_row(invoice_id))["sync_state"] == "none"


async def test_a_failure_that_stripe_repeats_does_not_keep_the_copy_open(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    sandbox.add_fault(match="POST /v1/invoices/*/void", status=500, times=1)
    await invoices.void(invoice_id, actor=SYSTEM)
    task = await task_of(invoice_id, "void_invoice")
    await run_sync_task(task)
    await retry_now(task)
    assert stripe.invoices.retrieve(external_id).status == "void"


async def test_a_void_invoice_is_not_opened_again_by_what_stripe_calls_its_copy(account: Connected) -> None:
    invoice_id, _ = await published_invoice()
    await invoices.void(invoice_id, actor=SYSTEM)
    row = await invoice_row(invoice_id)
    closed = InvoiceClosed(invoice_id, "uncollectible", row["created_at"])
    async with transaction() as tx:
        source = Source(account.id, Mode.TEST, SYSTEM)
        await apply_invoice_facts(tx.connection, source, invoice_id, [closed])
    assert (await invoice_row(invoice_id))["status"] == "void"


async def test_what_could_not_be_voided_while_a_debit_was_under_way_is_void_when_that_failed(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    await invoices.void(invoice_id, actor=SYSTEM)
    intent = intent_of(stripe, external_id)
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_insufficientFunds"})
    await run_void_task()
    assert (await invoice_row(invoice_id))["sync_state"] == "failed"
    await process_all(await take_in(account, stripe))
    await run_void_task()
    assert stripe.invoices.retrieve(external_id).status == "open"
    sandbox.settle(intent)
    await process_all(await take_in(account, stripe))
    await retry_now(await task_of(invoice_id, "void_invoice"))
    assert stripe.invoices.retrieve(external_id).status == "void"
    row = await invoice_row(invoice_id)
    assert (row["status"], row["sync_state"], row["sync_error"]) == ("void", "in_step", "")
