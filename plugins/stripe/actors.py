"""Stripe's actors: an id in, one service call."""

from __future__ import annotations

import dramatiq

from plugins.stripe.services import publishing, webhooks


@dramatiq.actor(actor_name="stripe.process_event", max_retries=0, time_limit=60_000)
async def process_event(event_id: int) -> None:
    """Handle an event of the inbox."""
    await webhooks.process_event(event_id)


@dramatiq.actor(actor_name="stripe.run_sync_task", max_retries=0, time_limit=60_000)
async def run_sync_task(task_id: int) -> None:
    """Do a task of the outbox."""
    await publishing.run_sync_task(task_id)
