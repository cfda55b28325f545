"""When to try again, and what may be shown of an address. Pure."""

from __future__ import annotations

import random

MAX_ATTEMPTS = 30
"""With the delays below a little over a day: longer than a mail server's bad night."""
FIRST_DELAY_SECONDS = 30.0
LONGEST_DELAY_SECONDS = 3600.0


def retry_delay(attempts: int, *, rng: random.Random | None = None) -> float:
    """Seconds until the next try: doubling up to an hour, with a quarter of jitter."""
    base: float = min(FIRST_DELAY_SECONDS * 2 ** min(max(attempts - 1, 0), 20), LONGEST_DELAY_SECONDS)
    jitter: float = (rng or random).uniform(0.75, 1.25)
    return base * jitter


def masked(address: str) -> str:
    """An address for logs that outlive it: `j•••@example.com`."""
    name, at, host = address.rpartition("@")
    return f"{name[:1]}•••{at}{host}" if at else "•••"


def one_line(text: str) -> str:
    """The text without line ends and control characters, for a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
