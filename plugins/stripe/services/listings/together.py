"""Objects of a page that are read one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any

from plugins.stripe.domain.invoices import Raw


async def together(reads: Iterable[Coroutine[Any, Any, Raw]]) -> list[Raw]:
    """The answers in the order of the calls. When one fails the page is lost, so the others are not made."""
    tasks = [asyncio.ensure_future(read) for read in reads]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def made_whole(
    raws: Sequence[Raw], wanted: Collection[str], read: Callable[[str], Coroutine[Any, Any, Raw]]
) -> list[Raw]:
    """The same objects in their order, those whose ids are wanted freshly read."""
    fresh = await together(read(external_id) for external_id in wanted)
    by_id = dict(zip(wanted, fresh, strict=True))
    return [by_id.get(str(raw["id"]), raw) for raw in raws]
