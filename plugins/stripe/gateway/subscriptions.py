"""Calls about subscriptions: how many go on charging."""

from __future__ import annotations

import asyncio
from typing import Literal

from plugins.stripe.gateway.client import client_for, translated_errors
from portal.sdk import Secret, Settings

Status = Literal["active", "trialing", "past_due"]
RUNNING: tuple[Status, ...] = ("active", "trialing", "past_due")
"""What Stripe goes on charging, at once or when the trial ends."""
MOST_COUNTED = 100


async def count_running(key: Secret, settings: Settings) -> dict[Status, int]:
    """How many subscriptions Stripe goes on charging, by status, each counted up to 100."""
    counts = await asyncio.gather(*(_count(key, settings, status) for status in RUNNING))
    return dict(zip(RUNNING, counts, strict=True))


async def _count(key: Secret, settings: Settings, status: Status) -> int:
    with translated_errors():
        found = await client_for(key, settings).v1.subscriptions.list_async(
            {"status": status, "limit": MOST_COUNTED}
        )
    return len(found.data)
