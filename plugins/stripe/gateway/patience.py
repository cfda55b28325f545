"""Asking again when Stripe asks us to slow down: a whole run of checks comes at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from plugins.stripe.gateway.client import SlowDown

T = TypeVar("T")
REPETITIONS = 2
PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 3.0
"""A person waits: what Stripe wants later than this, the person may ask again."""


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """The answer of a call that may be made again, which it is a little later and not all at once.

    Raises:
        SlowDown: Stripe still asks to, or for longer than anybody waits.
    """
    for _ in range(REPETITIONS):
        try:
            return await call()
        except SlowDown as error:
            pause = error.retry_after or PAUSE_SECONDS
            if pause > LONGEST_PAUSE_SECONDS:
                raise
        await asyncio.sleep(pause * random.uniform(1, 1.5))  # noqa: S311 - it only spreads the calls
    return await call()
