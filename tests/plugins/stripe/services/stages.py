"""The portal and the sandbox in one process, for histories that people and networks make."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway import client, spending
from plugins.stripe.sandbox.keys import DEFAULT
from portal.contract.loading import plugin_by_id
from portal.database.engine import connection_options
from portal.database.transaction import connection
from portal.settings import Settings, current_settings
from portal.webhooks.intake import forget_connections, receive
from tests.builders import WEBHOOK_SECRET, Connected, connect_account
from tests.plugins.stripe.services.direct import NOWHERE, Direct, Json

T = TypeVar("T")
QUICK = ("plan_cache_mode = force_generic_plan", "enable_seqscan = off")
"""What thousands of histories need: a plan is made once, and not for the empty tables of the first one."""


@dataclass
class Stage:
    """The portal and the sandbox, in this process, and the loop that they run on."""

    loop: asyncio.AbstractEventLoop
    account: Connected
    direct: Direct

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there and wait: rules are plain functions, and nothing else runs the loop meanwhile."""
        return self.loop.run_until_complete(asyncio.wait_for(work, 60))

    async def deliver(self, events: list[Json]) -> list[int]:
        """Take them in as they come; the ids of their rows."""
        await asyncio.gather(*(self._receive(event) for event in events))
        async with connection() as held:
            rows = await held.fetch(
                "SELECT external_id, event FROM webhook_identity "
                "WHERE account = $1 AND external_id = ANY($2::text[])",
                self.account.id,
                [event["id"] for event in events],
            )
        known = {row["external_id"]: int(row["event"]) for row in rows}
        return [known[event["id"]] for event in events]

    async def _receive(self, event: Json) -> None:
        body = json.dumps(event)
        header = stripe_sdk.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
        plugin = plugin_by_id("stripe")
        assert plugin is not None
        await receive(plugin, self.account.token, body.encode(), {"stripe-signature": header})

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        """Ask the portal's database."""
        async with connection() as held:
            return list(await held.fetch(query, *arguments))


@asynccontextmanager
async def opened_stage(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Both sides, ready to be quick."""
    monkeypatch.setenv("PORTAL_STRIPE_API_BASE", NOWHERE)
    current_settings.cache_clear()
    forget_connections()
    direct = Direct()
    for module in (client, spending):
        monkeypatch.setattr(module, "http_client", lambda: direct.client)
    keys = {"publishable_key": DEFAULT.publishable_key, "secret_key": DEFAULT.secret_key}
    account = await connect_account(
        external_id=DEFAULT.account, keys={**keys, "webhook_secret": WEBHOOK_SECRET}
    )
    await direct.call("GET", "customers")  # the first call makes the sandbox read what Stripe's API is
    await _configure(settings, *(f"ALTER SYSTEM SET {name}" for name in QUICK))
    try:
        yield Stage(asyncio.get_running_loop(), account, direct)
    finally:
        await _configure(settings, *(f"ALTER SYSTEM RESET {name.split()[0]}" for name in QUICK))
        monkeypatch.undo()
        current_settings.cache_clear()


async def _configure(settings: Settings, *statements: str) -> None:
    held = await asyncpg.connect(**connection_options(settings))
    try:
        for statement in (*statements, "SELECT pg_reload_conf()"):
            await held.execute(statement)
    finally:
        await held.close()
