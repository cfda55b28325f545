"""What the web and the worker process keep in memory under load, and whether it grows.

python -m tests.bench.memory            # ten minutes at 50 events a second
python -m tests.bench.memory 60         # an hour
python -m tests.bench.memory --short    # half a minute
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.bench.figures import Figure, note
from tests.processes.deliveries import RETRY_SECONDS, sender_to, unknown_event
from tests.processes.products import Product, running_product

MINUTES, SHORT_MINUTES, RATE, INVOICES = 10.0, 0.5, 50, 40
LANES = 16
"""Deliveries under way at a time: what a busy machine delays waits in line."""
LOOK_SECONDS = 2.0
WARM_SHARE = 1 / 3
"""So much of the run is left out of the slope: code is loaded and caches fill."""
GROWTH = 20.0
"""Megabytes an hour that the end of a run may seem to grow by."""
JUDGED_MINUTES = 10.0
"""A shorter run's slope is its warming up."""


@dataclass(slots=True)
class Kept:
    """What one kind of process kept, at each look."""

    name: str
    most: float
    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)

    def look(self, began: float, processes: list[psutil.Process]) -> None:
        """Note the largest of them now."""
        found = []
        for process in processes:
            self.pids.add(process.pid)
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(process.memory_info().rss / 1e6)
        if found:
            self.seconds.append(time.monotonic() - began)
            self.megabytes.append(max(found))

    def slope(self) -> float:
        """Megabytes an hour over the end of the run."""
        first = int(len(self.seconds) * WARM_SHARE)
        fitted = statistics.linear_regression(self.seconds[first:], self.megabytes[first:])
        return float(fitted.slope * 3600)

    def tell(self, minutes: float) -> None:
        """Print and note both figures."""
        highest, slope = max(self.megabytes), self.slope()
        thirds = [self.megabytes[int((len(self.megabytes) - 1) * third / 3)] for third in range(4)]
        course = ", ".join(f"{megabytes:.0f}" for megabytes in thirds)
        print(f"{self.name:<8}{course} MB at each third, {highest:.0f} at most, {slope:+.0f} MB/h at the end")
        print(f"        {len(self.pids)} processes were seen, {len(self.seconds)} looks")
        what = f"{self.name} process after {minutes:g} minutes at {RATE} events a second"
        note(Figure("F7", what, highest, "MB", f"under {self.most:g} MB", highest < self.most))
        if minutes >= JUDGED_MINUTES:
            note(Figure("F7", f"{self.name} process, growth", slope, "MB/h", "none", slope < GROWTH))


async def measure(product: Product, minutes: float) -> None:
    """Deliver all the while, and look every two seconds."""
    web, worker = Kept("web", 150), Kept("worker", 200)
    load = asyncio.create_task(_load(product))
    began = time.monotonic()
    while time.monotonic() - began < minutes * 60 and not load.done():
        await asyncio.sleep(LOOK_SECONDS)
        web.look(began, product.web_processes)
        worker.look(began, product.worker_processes)
    load.cancel()
    ends = await asyncio.gather(load, return_exceptions=True)
    if isinstance(ends[0], Exception):
        raise ends[0]
    for kept in (web, worker):
        kept.tell(minutes)


async def _load(product: Product) -> None:
    """Events of paid invoices under other ids, which are read from Stripe, and types that nothing follows."""
    told = [event for invoice_id in product.invoice_ids for event in await product.pay(invoice_id)]
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    began, sent = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        for _ in range(LANES):
            group.create_task(_lane(product.webhook_url, queue))
        while True:
            for _ in range(int((time.monotonic() - began) * RATE) - sent):
                fresh = unknown_event()
                queue.put_nowait(fresh if sent % 2 else {**told[sent % len(told)], "id": fresh["id"]})
                sent += 1
            await asyncio.sleep(1 / RATE)


async def _lane(url: str, queue: asyncio.Queue[dict[str, Any]]) -> None:
    """Deliver one after the other until each is accepted; a lane that was cut off begins anew."""
    event = await queue.get()
    while True:
        with contextlib.suppress(httpx.TransportError):
            async with sender_to(url) as sender:
                while True:
                    answer = await sender.deliver(event)
                    if answer.is_success:
                        event = await queue.get()
                    else:
                        await asyncio.sleep(RETRY_SECONDS)


def main(minutes: float = MINUTES) -> None:
    """Start a portal, measure, stop it."""
    with (
        tempfile.TemporaryDirectory(prefix="portal-memory-") as folder,
        running_product(Path(folder), invoices=INVOICES) as product,
    ):
        asyncio.run(measure(product, minutes))


if __name__ == "__main__":
    numbers = [float(word) for word in sys.argv[1:] if word != "--short"]
    main(*numbers or [SHORT_MINUTES if "--short" in sys.argv else MINUTES])
