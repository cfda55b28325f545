"""What is sent again never makes a second invoice, and is never stuck on a key that was used up."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway import payments as gateway
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.publishing import run_sync_task
from portal.audit.services import SYSTEM
from portal.invoices import services as invoices
from tests.builders import Connected, make_invoice
from tests.plugins.stripe.services.stories import (
    intent_of,
    invoice_row,
    process_all,
    retry_now,
    take_in,
    task_of,
    value,
)


async def test_trying_again_after_stripe_forgot_the_key_finds_the_first_invoice(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    sandbox.add_fault(match="POST /v1/invoices", drop="after", times=1)
    invoice_id = await make_invoice()
    task = await task_of(invoice_id)
    await run_sync_task(task)
    await value(
        "UPDATE sync_task SET state = 'failed', attempts = 30, created_at = created_at - interval '40 hours'"
    )
    sandbox.advance(40 * 3600)
    await invoices.retry_sync(invoice_id, actor=SYSTEM)
    await run_sync_task(task)
    assert len(stripe.invoices.list().data) == 1
    assert (await invoice_row(invoice_id))["sync_state"] == "in_step"


async def test_a_customer_renamed_between_two_attempts_does_not_block_the_invoice(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    sandbox.add_fault(match="POST /v1/customers", drop="after", times=1)
    task = await task_of(await make_invoice())
    await run_sync_task(task)
    await value("UPDATE customer SET name = 'Globex Group', email = 'group@globex.example'")
    await retry_now(task)
    assert await value("SELECT state FROM sync_task WHERE id = $1", task) == "done"
    assert len(stripe.invoices.list().data) == 1


async def test_the_late_answer_to_publishing_does_not_undo_a_payment_under_way(
    account: Connected, stripe: stripe_sdk.V1Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice_id = await make_invoice()
    real = gateway.finalize_invoice

    async def paid_meanwhile(*arguments: Any, **named: Any) -> dict[str, Any]:
        raw = await real(*arguments, **named)
        intent = intent_of(stripe, str(raw["id"]))
        stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_success"})
        await process_all(await take_in(account, stripe, "payment_intent.processing"))
        return raw

    monkeypatch.setattr(gateway, "finalize_invoice", paid_meanwhile)
    await run_sync_task(await task_of(invoice_id))
    assert (await invoice_row(invoice_id))["status"] == "processing"
    assert await value("SELECT state FROM payment_attempt") == "processing"
