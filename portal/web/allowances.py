"""How often one thing may be done: what is counted is kept in this process, and forgotten with it."""

from __future__ import annotations

import time
from collections import deque

SECONDS = 60.0
MOST_KEPT = 1_000
"""So many keys are kept before those are looked for that have nothing left to count."""


class Allowance:
    """So many times in a minute for each key. A key must be short and, where it opens something, hashed."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken: dict[bytes, deque[float]] = {}

    def take(self, key: bytes, *, now: float | None = None) -> bool:
        """Use it up once; False: it was used up before, and nothing is counted."""
        at = time.monotonic() if now is None else now
        if len(self._taken) > MOST_KEPT:
            self._forget(at)
        taken = self._taken.setdefault(key, deque())
        while taken and taken[0] <= at - SECONDS:
            taken.popleft()
        if len(taken) >= self.most:
            return False
        taken.append(at)
        return True

    def _forget(self, at: float) -> None:
        over = [key for key, taken in self._taken.items() if not taken or taken[-1] <= at - SECONDS]
        for key in over:
            del self._taken[key]
