"""The whole product as processes, with what tests do to it: look into its tables, pay, deliver, kill."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import psutil
import stripe as stripe_sdk

from e2e.portals import RunningPortal, running_portal
from plugins.stripe.sandbox.keys import DEFAULT
from portal.database.engine import connection_options
from portal.processes import alive
from portal.settings import ROOT, Settings, load_settings

FURNISH_SECONDS = 60
POLL_SECONDS = 0.05
OPEN_EVENTS = "SELECT count(*) FROM webhook_event WHERE state NOT IN ('processed', 'ignored')"
LEDGER = """
    SELECT i.status, i.amount_paid_minor, count(p.id), coalesce(sum(p.amount_minor), 0)::bigint
    FROM invoice i LEFT JOIN payment p ON p.invoice = i.id
    WHERE i.id = ANY($1::bigint[]) GROUP BY i.id ORDER BY i.id
"""


class Standing(NamedTuple):
    """What an invoice says, and what the ledger says of it."""

    status: str
    paid_minor: int
    entries: int
    entered_minor: int


UNPAID = Standing("open", 0, 0, 0)
PAID_ONCE = Standing("paid", 48_000, 1, 48_000)


@dataclass(frozen=True, slots=True)
class Product:
    """A furnished portal that runs, with its sandbox."""

    portal: RunningPortal
    settings: Settings
    webhook_path: str
    invoice_ids: tuple[int, ...]
    own_sandbox: str = ""
    """The address of a sandbox that the portal did not start itself."""

    @property
    def sandbox_url(self) -> str:
        """Where the sandbox answers."""
        return self.own_sandbox or self.portal.sandbox_url

    @property
    def webhook_url(self) -> str:
        """Where events are delivered."""
        return self.portal.url + self.webhook_path

    @property
    def stripe(self) -> stripe_sdk.V1Services:
        """Stripe as a person with the secret key sees it."""
        return stripe_sdk.StripeClient(DEFAULT.secret_key, base_addresses={"api": self.sandbox_url}).v1

    # ---- tables

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask the portal's database, on a connection of our own."""
        held = await asyncpg.connect(**connection_options(self.settings, name="portal-tests"))
        try:
            found: list[asyncpg.Record] = await held.fetch(query, *arguments)
            return found
        finally:
            await held.close(timeout=5)

    async def value(self, query: str, *arguments: object) -> Any:
        """The first value of the first row; None without a row."""
        rows = await self.rows(query, *arguments)
        return rows[0][0] if rows else None

    async def until(self, query: str, *arguments: object, is_: object, seconds: float) -> None:
        """Ask again and again until the answer is `is_`.

        Raises:
            AssertionError: it was another until the end. Times in which the database is away count too.
        """
        deadline, found = time.monotonic() + seconds, None
        while found != is_:
            if time.monotonic() > deadline:
                raise AssertionError(f"after {seconds:.0f} s still {found!r}, not {is_!r}: {query}")
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                found = await self.value(query, *arguments)
            await asyncio.sleep(POLL_SECONDS)

    async def ledger_of(self, invoice_ids: Sequence[int]) -> list[Standing]:
        """How the invoices stand, in the order of their ids."""
        rows = await self.rows(LEDGER, list(invoice_ids))
        return [Standing(*row) for row in rows]

    # ---- Stripe

    async def pay(self, invoice_id: int) -> list[dict[str, Any]]:
        """Pay in the sandbox; returns the four events that tell of it."""
        external_id = await self._external_id(invoice_id)
        self.stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
        kinds = ("charge.succeeded", "payment_intent.succeeded", "invoice_payment.paid", "invoice.paid")
        # Newest first; the payment that was just made is among the last few.
        latest = reversed(self.stripe.events.list({"limit": 20}).data)
        newest: dict[str, stripe_sdk.Event] = {event.type: event for event in latest}
        return [newest[kind].to_dict(for_json=True) for kind in kinds]

    async def slow_read_of(self, invoice_id: int, *, delay_ms: int) -> None:
        """Have the next read of this invoice take long, whatever else is read before."""
        self.slow_reads(delay_ms=delay_ms, of=await self._external_id(invoice_id))

    def slow_reads(self, *, delay_ms: int, times: int = 1, of: str = "*") -> None:
        """Have the next reads of an invoice take long."""
        rule = {"match": f"GET /v1/invoices/{of}", "delay_ms": delay_ms, "times": times}
        httpx.post(f"{self.sandbox_url}/_sandbox/faults", json=rule).raise_for_status()

    async def _external_id(self, invoice_id: int) -> str:
        return str(await self.value("SELECT external_id FROM invoice WHERE id = $1", invoice_id))

    # ---- processes

    @property
    def web_processes(self) -> list[psutil.Process]:
        """The processes that answer requests."""
        return [p for p in self._below("granian") if "resource_tracker" not in " ".join(p.cmdline())]

    @property
    def worker_processes(self) -> list[psutil.Process]:
        """The processes that run actors."""
        return [p for p in self._below("portal.worker") if p.num_threads() > 8]

    def kill_workers(self) -> None:
        """`kill -9` for every process that runs actors."""
        victims = self.worker_processes
        assert victims, "no worker runs"
        for process in victims:
            process.kill()
        psutil.wait_procs(victims, timeout=5)

    def kill_postgres(self) -> None:
        """`kill -9` for the server and everything it started."""
        self._signal_postgres(signal.SIGKILL)

    @contextmanager
    def frozen_postgres(self) -> Iterator[None]:
        """The server neither answers nor ends until the end of the block, as when its disk hangs."""
        self._signal_postgres(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal_postgres(signal.SIGCONT)

    def _signal_postgres(self, number: int) -> None:
        pid_file = self.settings.data_dir / "postgres" / "data" / "postmaster.pid"
        postmaster = psutil.Process(int(pid_file.read_text().splitlines()[0]))
        for process in [postmaster, *postmaster.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _below(self, word: str) -> list[psutil.Process]:
        """What the part whose command has this word has started itself."""
        for part in psutil.Process(self.portal.process.pid).children():
            if alive(part) and word in part.cmdline():
                return part.children(recursive=True)
        return []


@contextmanager
def running_product(data_dir: Path, *, invoices: int, **environment: str) -> Iterator[Product]:
    """The product with finalised invoices, from its start to its end."""
    with running_portal(data_dir, breaks=True, **environment) as portal:
        variables = {"PORTAL_DATA_DIR": str(data_dir), "PORTAL_BASE_URL": portal.url, **environment}
        made = furnish(invoices, variables)
        yield Product(portal, load_settings(variables), str(made["webhook_path"]), tuple(made["invoice_ids"]))


def furnish(invoices: int, variables: dict[str, str]) -> dict[str, Any]:
    """Connect the sandbox and finalise invoices, in a process of its own; what it made."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.processes.furnishing", str(invoices)],
        cwd=ROOT,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=FURNISH_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made
