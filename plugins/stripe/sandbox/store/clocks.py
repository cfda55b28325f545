"""Time of one world: the machine's, moved by control calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class WorldClock:
    """Seconds since the epoch, with an offset that tests may move."""

    def __init__(self) -> None:
        self.offset = 0.0
        self._standing_at: float | None = None

    def now(self) -> int:
        """Whole seconds, as every time at Stripe."""
        return int(self.exact())

    def exact(self) -> float:
        """The same with fractions, for what the sandbox itself plans."""
        return time.time() + self.offset if self._standing_at is None else self._standing_at

    @contextmanager
    def standing_at(self, moment: float) -> Iterator[None]:
        """Let it be this moment meanwhile: work that comes late still happens at its own time."""
        self._standing_at = moment
        try:
            yield
        finally:
            self._standing_at = None

    def advance(self, seconds: float) -> None:
        """Move on (or back)."""
        self.offset += seconds

    def set(self, moment: float) -> None:
        """Make it this moment now."""
        self.offset = moment - time.time()
