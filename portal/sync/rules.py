"""When to try again. Pure."""

from __future__ import annotations

import random

MAX_ATTEMPTS = 30
"""With the delays below about a day and a half: longer than a provider's bad day."""
FIRST_DELAY_SECONDS = 2.0
LONGEST_DELAY_SECONDS = 3600.0


def retry_delay(attempts: int, *, asked: float | None = None, rng: random.Random | None = None) -> float:
    """Seconds until the next try: doubling up to an hour, a quarter of jitter, at least `asked`.

    What is asked counts up to an hour, too: work that nobody does is work that nobody sees.
    """
    base: float = min(FIRST_DELAY_SECONDS * 2 ** min(max(attempts - 1, 0), 20), LONGEST_DELAY_SECONDS)
    jitter: float = (rng or random).uniform(0.75, 1.25)
    return max(base * jitter, min(asked or 0.0, LONGEST_DELAY_SECONDS))
