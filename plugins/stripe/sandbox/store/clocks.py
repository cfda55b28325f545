"""Time of one world: the machine's, moved by control calls."""

from __future__ import annotations

import time


class WorldClock:
    """Seconds since the epoch, with an offset that tests may move."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> int:
        """Whole seconds, as every time at Stripe."""
        return int(self.exact())

    def exact(self) -> float:
        """The same with fractions, for what the sandbox itself plans."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Move on (or back)."""
        self.offset += seconds

    def set(self, moment: float) -> None:
        """Make it this moment now."""
        self.offset = moment - time.time()
