"""How many objects a second a resync writes, and what the worker's memory does meanwhile.

python -m tests.bench.backfill                # 10,000 customers with a paid invoice each, 0 and 50 ms a call
python -m tests.bench.backfill 2000 0         # fewer, at 0 ms alone
python -m tests.bench.backfill --short        # fewer still

The provider is the sandbox on the same machine; the budget is the one of live mode, 80 calls a second.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from plugins.stripe.sandbox.keys import DEFAULT
from plugins.stripe.sandbox.testing import RunningSandbox, running_sandbox
from tests.bench.figures import Figure, note
from tests.bench.stands import Stand, built_stand, memory_mb, processor_seconds

INVOICES = 10_000
SHORT = (500, 0)
DELAYS = (0, 50)
TARGETS = {0: 3_000, 50: 2_500}
"""Objects a second, by the milliseconds that a call takes."""
YEAR = 350 * 86_400
CHUNK = 2_000
CALLS_PER_SECOND = 100
LIMIT_SECONDS = 600.0
LOOK_SECONDS = 0.25
START = """
INSERT INTO sync_run (account, mode, purpose, kinds, started_by, created_at)
SELECT id, mode, 'resync', ARRAY['customers', 'products', 'prices', 'subscriptions', 'invoices'], 'Ana', now()
FROM connected_account RETURNING id
"""
RING = """
INSERT INTO portal_job (actor_name, args)
SELECT 'portal.work_on_run', jsonb_build_array(max(id)) FROM sync_run RETURNING id
"""
STATE = "SELECT state || ' ' || error FROM sync_run ORDER BY id DESC LIMIT 1"
TOOK = """
SELECT extract(epoch FROM finished_at - started_at)::float8 FROM sync_run ORDER BY id DESC LIMIT 1
"""
COUNTS = """
SELECT jsonb_build_object('seen', sum(seen), 'created', sum(created), 'updated', sum(updated),
                          'unchanged', sum(unchanged), 'differing', sum(differing))::text
FROM sync_cursor WHERE run = (SELECT max(id) FROM sync_run)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """A line of the table."""

    name: str
    delay_ms: int
    seconds: float
    counts: dict[str, int]
    memory: tuple[float, float]
    """Of the worker, in megabytes: at the start, and the most."""
    processor: dict[str, float]

    def line(self) -> str:
        """For people."""
        seen = self.counts["seen"]
        used = ", ".join(f"{role} {1000 * spent / seen:.2f}" for role, spent in self.processor.items())
        return (
            f"{self.name:<10} {self.delay_ms:>3} ms a call: {seen:,} objects in {self.seconds:.1f} s, "
            f"{seen / self.seconds:,.0f} a second; worker {self.memory[0]:.0f} MB, at most "
            f"{self.memory[1]:.0f} MB; processor ms an object: {used}"
        )

    def note(self) -> None:
        """For the table of the whole run."""
        rate, target = self.counts["seen"] / self.seconds, TARGETS.get(self.delay_ms, 0)
        what = f"objects a second read, {self.name}, {self.delay_ms} ms a call"
        start, most = self.memory
        words = f"worker {start:.0f} MB before, {most:.0f} MB at most"
        note(Figure("F5", what, rate, "/s", f"{target:,} /s" if target else "", rate >= target, words))


async def main(invoices: int, delays: tuple[int, ...]) -> None:
    """Fill an empty portal, then read everything again, for each delay."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(running_sandbox(arguments=("--shapes", "off")))
        await plant(sandbox, invoices)
        for delay in delays:
            with stand_for(sandbox) as stand:
                slow_down(sandbox, delay)
                for name in ("first time", "again"):
                    measured = await measure(stand, sandbox, name, delay)
                    print(measured.line(), flush=True)
                    measured.note()


async def plant(sandbox: RunningSandbox, invoices: int) -> None:
    """One paid invoice by the API, a year ago, and copies of it until now."""
    apart = max(YEAR // invoices, 1)
    sandbox.control("POST", "/clock", {"now": time.time() - apart * invoices - 60})
    headers = {"Authorization": f"Bearer {DEFAULT.secret_key}"}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, timeout=20) as stripe:

        async def post(path: str, **data: Any) -> dict[str, Any]:
            answer = (await stripe.post(f"/v1/{path}", data=data)).raise_for_status()
            found: dict[str, Any] = answer.json()
            return found

        customer = (await post("customers", name="Globex", email="ap@globex.example"))["id"]
        invoice = (await post("invoices", customer=customer, auto_advance="false"))["id"]
        await post("invoiceitems", customer=customer, invoice=invoice, amount=9000, currency="usd")
        await post(f"invoices/{invoice}/finalize")
        await post(f"invoices/{invoice}/pay", payment_method="pm_card_visa")
    for done in range(0, invoices - 1, CHUNK):
        count = min(CHUNK, invoices - 1 - done)
        body = {"invoice": invoice, "count": count, "apart": apart, "first": done}
        sandbox.control("POST", "/invoice-copies", body)
    sandbox.control("POST", "/clock", {"now": time.time()})


@contextmanager
def stand_for(sandbox: RunningSandbox) -> Iterator[Stand]:
    """An empty portal that is connected to the sandbox."""
    with tempfile.TemporaryDirectory() as folder, built_stand(Path(folder)) as bare:
        budget = {"PORTAL_STRIPE_CALLS_PER_SECOND": str(CALLS_PER_SECOND)}
        address = {"PORTAL_STRIPE_API_BASE": sandbox.url}
        yield replace(bare, variables={**bare.variables, **address, **budget})


def slow_down(sandbox: RunningSandbox, delay: int) -> None:
    """Every read takes this long from now on."""
    sandbox.control("DELETE", "/faults")
    if delay:
        sandbox.add_fault(match="GET /v1/**", delay_ms=delay, times=None)


async def measure(stand: Stand, sandbox: RunningSandbox, name: str, delay: int) -> Measured:
    """One run, by one worker process."""
    with stand.worker(processes=1) as worker:
        roles = {"worker": worker, "sandbox": [psutil.Process(sandbox.process.pid)]}
        before = {role: processor_seconds(found) for role, found in roles.items()}
        base = processor_seconds(stand.postgres())
        start = most = memory_mb(worker)
        await stand.run(START, RING)
        deadline = time.monotonic() + LIMIT_SECONDS
        while (state := str(await stand.run(STATE))).split()[0] in ("waiting", "running"):
            assert time.monotonic() < deadline, f"the run does not end: {state}"
            assert worker[0].is_running(), "the worker ended"
            assert worker[0].status() != psutil.STATUS_ZOMBIE, "the worker ended"
            await asyncio.sleep(LOOK_SECONDS)
            most = max(most, memory_mb(worker))
        assert state.strip() == "done", state
        used = {role: processor_seconds(found) - before[role] for role, found in roles.items()}
        used["postgres"] = processor_seconds(stand.postgres()) - base
    counts = json.loads(await stand.run(COUNTS))
    return Measured(name, delay, float(await stand.run(TOOK)), counts, (start, most), used)


if __name__ == "__main__":
    wanted = [int(word) for word in sys.argv[1:] if word != "--short"]
    wanted = wanted or [*(SHORT if "--short" in sys.argv else ())]
    asyncio.run(main(wanted[0] if wanted else INVOICES, tuple(wanted[1:]) or DELAYS))
