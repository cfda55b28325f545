"""How many events a second end in the ledger, and how long one takes from its delivery to the changed row.

python -m tests.bench.processing            # a backlog with two worker processes, then 50 events a second
python -m tests.bench.processing 600        # with more paid invoices
python -m tests.bench.processing --short    # with few

The provider is the sandbox without any delay, on the same machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox, running_sandbox
from portal.database.engine import connection_options
from tests.bench.figures import Figure, note
from tests.bench.stands import Stand, built_stand, processor_seconds
from tests.builders import WEBHOOK_SECRET

INVOICES, FEW = 300, 60
PROCESSES = 2
TRICKLE_SECONDS, TRICKLE_PER_SECOND = 5, 50
LIMIT_SECONDS = 120.0
RING = """
INSERT INTO portal_job (actor_name, args)
SELECT 'stripe.process_event', jsonb_build_array(id) FROM webhook_event WHERE state = 'received' ORDER BY id
{limit}
"""
WARM_UP = 480
"""Events: every thread has its connections and its plans, and the code was run."""
LEFT = "SELECT count(*) FROM webhook_event WHERE state IN ('received', 'processing')"
JOBS = "SELECT count(*) FROM portal_job WHERE actor_name = 'stripe.process_event'"
PAID = "SELECT count(*) FROM invoice WHERE status = 'paid'"
LAST = "SELECT max(processed_at) FROM webhook_event"
READS = "GET /v1/invoices/:invoice"


@dataclass(frozen=True, slots=True)
class Backlog:
    """A line of the table."""

    events: int
    seconds: float
    reads: int
    paid: int
    processor: Mapping[str, float]

    def lines(self) -> list[str]:
        """For people."""
        per_event = {role: 1000 * used / self.events for role, used in self.processor.items()}
        return [
            f"{self.events} events in {self.seconds:.2f} s: {self.events / self.seconds:,.0f} a second",
            f"reads at the provider per paid invoice: {self.reads / self.paid:.2f}",
            "processor ms per event: " + ", ".join(f"{role} {ms:.2f}" for role, ms in per_event.items()),
        ]

    def note(self) -> None:
        """For the table of the whole run."""
        rate, reads = self.events / self.seconds, self.reads / self.paid
        note(Figure("F3", "events a second from the inbox to the ledger", rate, "/s", "800 /s", rate >= 800))
        note(Figure("F3", "reads at the provider for a paid invoice", reads, "", "at most 1", reads <= 1))


async def main(invoices: int) -> None:
    """Both measurements on one stand."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(running_sandbox(arguments=("--shapes", "off")))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        bare = stack.enter_context(built_stand(Path(folder)))
        stand = replace(bare, variables={**bare.variables, "PORTAL_STRIPE_API_BASE": sandbox.url})
        trickled = TRICKLE_SECONDS * TRICKLE_PER_SECOND
        print(await _furnish(stand, invoices + trickled + WARM_UP // 6))
        bodies = await _keep_back(stand, trickled)
        with stand.worker(processes=PROCESSES) as worker:
            await _warm_up(stand)
            backlog = await _backlog(stand, sandbox, worker)
            print(*backlog.lines(), sep="\n")
            backlog.note()
            with stand.web(workers=1):
                print(await _trickle(stand, bodies))


async def _furnish(stand: Stand, invoices: int) -> str:
    token = stand.webhook_path.rsplit("/", 1)[1]
    argv = [sys.executable, "-m", "tests.bench.paying", str(invoices), token]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    process = await asyncio.create_subprocess_exec(
        *argv, env={**kept, **stand.variables}, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return f"events per paid invoice: {sum(json.loads(said).values()) / invoices:.1f}"


async def _keep_back(stand: Stand, invoices: int) -> list[tuple[int, bytes]]:
    """Take the events of the last invoices out again: of each, one is delivered later."""
    held = await asyncpg.connect(**connection_options(stand.settings, name="bench"))
    try:
        groups = await held.fetch(
            """
            SELECT l.external_id, l.invoice FROM stripe_link l
            WHERE l.invoice > (SELECT max(id) FROM invoice) - $1
            """,
            invoices,
        )
        invoice_of = {row["external_id"]: row["invoice"] for row in groups}
        rows = await held.fetch(
            "DELETE FROM webhook_event WHERE group_id = ANY($1::text[]) RETURNING group_id, type, body",
            list(invoice_of),
        )
        await held.execute("TRUNCATE webhook_identity")
    finally:
        await held.close()
    return [(invoice_of[row["group_id"]], row["body"]) for row in rows if row["type"] == "invoice.paid"]


async def _warm_up(stand: Stand) -> None:
    await stand.run(RING.format(limit=f"LIMIT {WARM_UP}"), "SELECT 1")
    await _until_nothing(stand, JOBS)
    await stand.run("ANALYZE", "SELECT 1")


async def _until_nothing(stand: Stand, query: str) -> None:
    held = await asyncpg.connect(**connection_options(stand.settings, name="bench"))
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                if not await held.fetchval(query):
                    return
                await asyncio.sleep(0.1)
    finally:
        await held.close()


async def _backlog(stand: Stand, sandbox: RunningSandbox, worker: list[psutil.Process]) -> Backlog:
    roles = {"worker": worker, "postgres": stand.postgres(), "sandbox": [psutil.Process(sandbox.process.pid)]}
    events, reads = int(await stand.run(LEFT)), _reads(sandbox)
    paid = int(await stand.run(PAID))
    before = {role: processor_seconds(processes) for role, processes in roles.items()}
    began = await stand.run(RING.format(limit=""), "SELECT clock_timestamp()")
    await _until_nothing(stand, LEFT)
    ended = await stand.run(LAST)
    await asyncio.sleep(1)
    return Backlog(
        events=events,
        seconds=(ended - began).total_seconds(),
        reads=_reads(sandbox) - reads,
        paid=int(await stand.run(PAID)) - paid,
        processor={
            role: processor_seconds(stand.postgres() if role == "postgres" else processes) - before[role]
            for role, processes in roles.items()
        },
    )


def _reads(sandbox: RunningSandbox) -> int:
    return sum(n for route, n in sandbox.calls().items() if route.startswith("GET /v1/invoices/"))


async def _trickle(stand: Stand, bodies: list[tuple[int, bytes]]) -> str:
    """Deliver one event every 20 ms; from the request to the notice of the changed invoice."""
    sent: dict[int, float] = {}
    seen: dict[int, float] = {}
    held = await asyncpg.connect(**connection_options(stand.settings, name="bench"))

    def notice(_connection: Any, _pid: int, _channel: str, topic: object) -> None:
        kind, _, number = str(topic).partition(":")
        if kind == "invoice":
            seen.setdefault(int(number), time.perf_counter())

    await held.add_listener("portal_live", notice)
    async with httpx.AsyncClient(base_url=stand.url) as http:
        tasks = []
        for invoice_id, body in bodies:
            sent[invoice_id] = time.perf_counter()
            tasks.append(asyncio.create_task(_deliver(http, stand.webhook_path, body)))
            await asyncio.sleep(1 / TRICKLE_PER_SECOND)
        await asyncio.gather(*tasks)
        await asyncio.sleep(2)
    await held.close()
    took = sorted(1000 * (seen[found] - at) for found, at in sent.items() if found in seen)
    p50, p99 = took[len(took) // 2], statistics.quantiles(took, n=100)[98]
    note(Figure("F2", "from the request to the changed row, 50 a second, p50", p50, "ms", "15 ms", p50 < 15))
    note(Figure("F2", "the same, p99", p99, "ms", "50 ms", p99 < 50))
    return (
        f"{TRICKLE_PER_SECOND} events a second, from the request to the changed row: "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(took)} of {len(sent)} seen)"
    )


async def _deliver(http: httpx.AsyncClient, path: str, body: bytes) -> None:
    header = stripe_sdk.WebhookSignature.generate_signature_header(body.decode(), WEBHOOK_SECRET)
    answer = await http.post(path, content=body, headers={"Stripe-Signature": header})
    answer.raise_for_status()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word != "--short"]
    asyncio.run(main(*numbers or [FEW if "--short" in sys.argv else INVOICES]))
