"""The daily clean-up of sign-in counters."""

from __future__ import annotations

from datetime import timedelta

import dramatiq

from portal.auth import limits
from portal.queue.schedule import periodic


@periodic(name="portal.forget_old_attempts", every=timedelta(days=1))
@dramatiq.actor(actor_name="portal.forget_old_attempts", max_retries=0)
async def forget_old_attempts() -> None:
    """Delete counters that nobody touched for a day."""
    await limits.forget_old_attempts()
