"""Runs beside a stand: invoices that Stripe has and that were paid there. Their events wait, unhandled."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import stripe as stripe_sdk

from plugins.stripe.gateway.client import close_clients
from plugins.stripe.sandbox.keys import DEFAULT
from plugins.stripe.services.publishing import run_sync_task
from portal.contract.loading import plugin_by_id
from portal.database.engine import close_pool, open_pool
from portal.database.transaction import connection, transaction
from portal.settings import current_settings
from portal.webhooks.intake import Outcome, receive
from tests.builders import WEBHOOK_SECRET, make_invoice

AT_ONCE = 8
PAGE = 100


async def furnish(invoices: int, token: str) -> Counter[str]:
    """Make, publish and pay them, and take in what Stripe tells of the payments; how many events by type."""
    await open_pool(name="bench")
    base = str(current_settings().plugin_option("stripe", "api_base"))
    headers = {"Authorization": f"Bearer {DEFAULT.secret_key}"}
    try:
        await _each(range(invoices), lambda _: make_invoice())
        await _each(await _column("SELECT id FROM sync_task"), run_sync_task)
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=20) as stripe:
            before = {event["id"] for event in await _events(stripe)}
            ids = await _column("SELECT external_id FROM invoice WHERE external_id IS NOT NULL ORDER BY id")
            await _each(ids, lambda found: _pay(stripe, found))
            fresh = [event for event in reversed(await _events(stripe)) if event["id"] not in before]
        await _each(fresh, lambda event: _take_in(token, event))
        async with transaction() as tx:
            await tx.connection.execute("DELETE FROM portal_job")
    finally:
        await close_clients()
        await close_pool()
    return Counter(event["type"] for event in fresh)


async def _pay(stripe: httpx.AsyncClient, external_id: str) -> None:
    paid = await stripe.post(f"/v1/invoices/{external_id}/pay", data={"payment_method": "pm_card_visa"})
    paid.raise_for_status()


async def _events(stripe: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Newest first."""
    found: list[dict[str, Any]] = []
    while True:
        after = {"starting_after": found[-1]["id"]} if found else {}
        page = (await stripe.get("/v1/events", params={"limit": PAGE, **after})).raise_for_status().json()
        found += page["data"]
        if not page["has_more"]:
            return found


async def _take_in(token: str, event: dict[str, Any]) -> None:
    plugin = plugin_by_id("stripe")
    assert plugin is not None
    body = json.dumps(event)
    header = stripe_sdk.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
    assert await receive(plugin, token, body.encode(), {"stripe-signature": header}) is Outcome.STORED


async def _column(query: str) -> list[Any]:
    async with connection() as held:
        return [row[0] for row in await held.fetch(query)]


async def _each(values: Sequence[Any], work: Callable[[Any], Awaitable[object]]) -> None:
    """A few at a time, begun in their order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(value: Any) -> None:
        async with gate:
            await work(value)

    await asyncio.gather(*(one(value) for value in values))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(furnish(int(sys.argv[1]), sys.argv[2]))))
