"""Changing a connection with its provider's help: one change at a time, and each answer within its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from portal.contract.errors import ProviderUnavailable
from portal.contract.plugin import Plugin
from portal.database.engine import reset_afterwards
from portal.database.transaction import connection
from portal.errors import Conflict

Answer = TypeVar("Answer")
PROVIDER_SECONDS = 20.0
ANY_FORM = 0
"""Stands where a connection's number would: forms share the address that is free."""
LOCK = "$1::int, hashtext('signing secret')"


class BeingChanged(Conflict):
    """Somebody else changes the same connection's signing secret right now."""

    code = "BEING_CHANGED"


@asynccontextmanager
async def sole_change(account_id: int) -> AsyncIterator[None]:
    """Let nobody else make or retire endpoints of this connection: each would undo what the other stored.

    The lock is a session's: it ends with its connection, also when the process is killed.

    Raises:
        BeingChanged: somebody is at it. Waiting would not help: what they do changes what is asked here.
    """
    async with connection() as held:
        reset_afterwards(held)
        if not await held.fetchval(f"SELECT pg_try_advisory_lock({LOCK})", account_id % 2**31):
            raise BeingChanged(
                "Somebody is changing this signing secret right now.",
                hint="Load the page again in a moment.",
            )
        try:
            yield
        finally:
            await held.execute(f"SELECT pg_advisory_unlock({LOCK})", account_id % 2**31)


async def answer_in_time(plugin: Plugin, call: Awaitable[Answer]) -> Answer:
    """What the provider answers.

    Raises:
        ProviderUnavailable: nothing, until nobody wants to wait any more.
    """
    try:
        async with asyncio.timeout(PROVIDER_SECONDS):
            return await call
    except TimeoutError:
        raise ProviderUnavailable(
            f"{plugin.manifest.title} did not answer in {PROVIDER_SECONDS:g} seconds.",
            hint="Press it again: what was begun is found and finished.",
        ) from None
