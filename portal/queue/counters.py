"""Counts of what this process did with its messages, for the metrics page."""

from __future__ import annotations

import threading
from collections import Counter

_counts: Counter[tuple[str, str]] = Counter()
_lock = threading.Lock()


def count(event: str, subject: str, amount: int = 1) -> None:
    """Add to a count, for example `count("processed", "stripe.handle_event")`. Any thread may call it."""
    with _lock:
        _counts[event, subject] += amount


def read_counters() -> dict[tuple[str, str], int]:
    """A copy of all counts since the process started, by (event, actor or queue name)."""
    with _lock:
        return dict(_counts)
