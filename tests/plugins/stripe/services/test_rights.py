"""A key that lost a right keeps the work waiting and the connection in sight."""

from __future__ import annotations

import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.publishing import run_sync_task
from portal.accounts.services import mark_ready
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


async def test_an_event_waits_for_a_right_and_is_applied_once_it_is_there(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    events = await take_in(account, stripe, "invoice.paid")
    sandbox.add_fault(match="GET /v1/invoices/*", status=403, times=1)
    await process_all(events)
    assert await value("SELECT state FROM webhook_event") == "received"
    assert await value("SELECT state FROM connected_account") == "needs_attention"
    await process_all(events)
    assert (await invoice_row(invoice_id))["status"] == "paid"


async def test_an_invoice_waits_for_a_right_and_is_sent_once_it_is_there(
    account: Connected, sandbox: RunningSandbox
) -> None:
    sandbox.add_fault(match="POST /v1/invoices", status=403, times=1)
    invoice_id = await make_invoice()
    task = await task_of(invoice_id)
    await run_sync_task(task)
    assert await value("SELECT state FROM sync_task") == "waiting"
    await retry_now(task)
    assert (await invoice_row(invoice_id))["sync_state"] == "in_step"


async def test_a_broken_connection_does_not_become_one_that_only_needs_attention(
    account: Connected, sandbox: RunningSandbox
) -> None:
    await value("UPDATE connected_account SET state = 'broken'")
    sandbox.add_fault(match="POST /v1/customers", status=403, times=1)
    await run_sync_task(await task_of(await _waiting_invoice()))
    assert await value("SELECT state FROM connected_account") == "broken"


async def _waiting_invoice() -> int:
    await value("UPDATE connected_account SET state = 'ready'")
    invoice_id = await make_invoice()
    await value("UPDATE connected_account SET state = 'broken'")
    return invoice_id


async def test_a_key_that_works_again_wakes_what_waited_for_it(
    account: Connected, sandbox: RunningSandbox
) -> None:
    sandbox.control("POST", "/keys/revoke", {"key": sandbox.keys.secret_key})
    await run_sync_task(await task_of(await make_invoice()))
    assert await value("SELECT due_at > now() FROM sync_task")
    await mark_ready(account.id)
    assert await value("SELECT due_at <= now() FROM sync_task")


async def test_a_right_to_read_refunds_that_is_missing_holds_up_no_payment(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    stripe.refunds.create({"payment_intent": intent_of(stripe, external_id), "amount": 100})
    events = await take_in(account, stripe)
    sandbox.add_fault(match="GET /v1/refunds", status=403, times=None)
    await process_all(events)
    row = await invoice_row(invoice_id)
    assert (row["status"], row["amount_paid_minor"]) == ("paid", 48_000), "nobody is asked to pay again"
    waiting = "SELECT DISTINCT type FROM webhook_event WHERE state = 'received' AND type LIKE '%refund%'"
    assert await value(waiting) is not None, "what the refund did is not known yet"
    sandbox.control("DELETE", "/faults")
    await value("UPDATE webhook_event SET due_at = now(), lease_until = NULL WHERE state = 'received'")
    await process_all(events)
    assert (await invoice_row(invoice_id))["amount_paid_minor"] == 47_900
    assert await value("SELECT count(*) FROM webhook_event WHERE state = 'received'") == 0
