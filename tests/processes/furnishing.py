"""Runs beside a portal to furnish it: a connection to its sandbox, invoices that Stripe has. Prints ids."""

from __future__ import annotations

import asyncio
import json
import sys

from plugins.stripe.sandbox.keys import DEFAULT
from portal.database.engine import close_pool, open_pool
from portal.database.transaction import connection
from tests.builders import WEBHOOK_SECRET, connect_account, make_invoice

SENT_SECONDS, POLL_SECONDS = 45.0, 0.1


async def furnish(invoices: int) -> None:
    """What a person would do in the browser, by the same services."""
    keys = {
        "publishable_key": DEFAULT.publishable_key,
        "secret_key": DEFAULT.secret_key,
        "webhook_secret": WEBHOOK_SECRET,
    }
    await open_pool(name="portal-tests")
    try:
        connected = await connect_account(external_id=DEFAULT.account, keys=keys)
        invoice_ids = [await make_invoice() for _ in range(invoices)]
        async with asyncio.timeout(SENT_SECONDS):
            await _wait_until_sent()
    finally:
        await close_pool()
    print(json.dumps({"webhook_path": connected.webhook_path, "invoice_ids": invoice_ids}))  # noqa: T201 - it is asked for


async def _wait_until_sent() -> None:
    while True:
        async with connection() as held:
            if not await held.fetchval("SELECT count(*) FROM invoice WHERE sync_state <> 'in_step'"):
                return
        await asyncio.sleep(POLL_SECONDS)


if __name__ == "__main__":
    asyncio.run(furnish(int(sys.argv[1])))
