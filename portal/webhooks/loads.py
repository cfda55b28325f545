"""Loads that everybody who waits for the same thing shares, so that a flood costs one query at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Found = TypeVar("Found")


@dataclass(slots=True)
class _Turn(Generic[Found]):
    """One thing that somebody waits for; gone when nobody does."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    began: float = float("-inf")
    """When the load that brought `found` began."""
    found: Found | None = None


class SharedLoads(Generic[Found]):
    """Loads by key: one at a time for each, and nobody is given one that began before they asked."""

    def __init__(self, load: Callable[[str, bytes], Awaitable[Found | None]]) -> None:
        self._load = load
        self._turns: dict[tuple[str, bytes], _Turn[Found]] = {}

    async def get(self, plugin_id: str, token_hash: bytes) -> Found | None:
        """What is stored for this address now; it was read after this call."""
        asked, key = time.monotonic(), (plugin_id, token_hash)
        turn = self._turns.setdefault(key, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                if turn.began <= asked:
                    began = time.monotonic()
                    turn.found = await self._load(plugin_id, token_hash)
                    turn.began = began
                return turn.found
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[key]
