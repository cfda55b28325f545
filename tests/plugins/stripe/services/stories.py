"""What the stories of these tests have in common."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.publishing import run_sync_task
from plugins.stripe.services.webhooks import process_event
from portal.contract.loading import plugin_by_id
from portal.database.transaction import transaction
from portal.webhooks.intake import Outcome, receive
from tests.builders import WEBHOOK_SECRET, Connected, make_invoice


async def published_invoice(amount_minor: int = 48_000) -> tuple[int, str]:
    """An invoice that Stripe has: our id and Stripe's."""
    invoice_id = await make_invoice(amount_minor)
    await run_sync_task(await task_of(invoice_id))
    found = await value("SELECT external_id FROM invoice WHERE id = $1", invoice_id)
    assert found is not None, await value("SELECT error FROM sync_task WHERE subject_id = $1", invoice_id)
    return invoice_id, str(found)


async def task_of(invoice_id: int, kind: str = "publish_invoice") -> int:
    """The outbox task of an invoice."""
    found = await value("SELECT id FROM sync_task WHERE subject_id = $1 AND kind = $2", invoice_id, kind)
    return int(found)


async def retry_now(task_id: int) -> None:
    """Let a postponed task be due, then run it."""
    await value("UPDATE sync_task SET due_at = now() WHERE id = $1", task_id)
    await run_sync_task(task_id)


async def value(query: str, *arguments: Any) -> Any:
    """One value from the database."""
    async with transaction() as tx:
        return await tx.connection.fetchval(query, *arguments)


async def invoice_row(invoice_id: int) -> dict[str, Any]:
    """The invoice with the number of its ledger rows."""
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            SELECT *, (SELECT count(*) FROM payment WHERE invoice = i.id) AS entries
            FROM invoice i WHERE id = $1
            """,
            invoice_id,
        )
    assert row is not None
    return dict(row)


@contextmanager
def reads_of(sandbox: RunningSandbox) -> Iterator[Counter[str]]:
    """What the portal reads from the sandbox meanwhile: how often each route; looks at events apart."""
    before, reads = sandbox.calls(), Counter[str]()
    yield reads
    reads.update(Counter(sandbox.calls()) - Counter(before))
    for route in [route for route in reads if not route.startswith("GET") or route == "GET /v1/events"]:
        del reads[route]


def intent_of(stripe: stripe_sdk.V1Services, stripe_invoice: str) -> str:
    """The payment intent of one of Stripe's invoices."""
    page = stripe.invoice_payments.list({"invoice": stripe_invoice})
    return str(page.data[0].payment.payment_intent)


async def take_in(account: Connected, stripe: stripe_sdk.V1Services, *types: str) -> list[int]:
    """Sign Stripe's events as Stripe does and take them in; returns the ids of new rows, oldest first."""
    plugin = plugin_by_id("stripe")
    assert plugin is not None
    fresh = []
    for event in reversed(stripe.events.list({"limit": 100}).data):
        body = json.dumps(event.to_dict(for_json=True))
        if types and event.type not in types:
            continue
        header = stripe_sdk.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
        outcome = await receive(plugin, account.token, body.encode(), {"stripe-signature": header})
        if outcome is Outcome.STORED:
            fresh.append(int(await value("SELECT id FROM webhook_event WHERE external_id = $1", event.id)))
    return fresh


async def process_all(event_ids: list[int]) -> None:
    """Handle events one after the other, in the given order."""
    for event_id in event_ids:
        await process_event(event_id)
