"""The whole product with a proxy before each thing it depends on, and what can be done to all of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil
import redis

from e2e.portals import running_portal
from e2e.stripe_control import StripeControl
from portal.database.embedded import SOCKET, Server, ensure_running
from portal.failpoints import Failpoint, arm, armed
from portal.processes import end, end_with_parent
from portal.settings import ROOT, load_settings
from portal.supervision.addresses import answers
from tests.builders import WEBHOOK_SECRET
from tests.faults.proxies import Line, Proxy
from tests.processes.deliveries import Sender
from tests.processes.products import Product, furnish
from tests.queue.rooms import URLS

READY_SECONDS, CHORE_SECONDS, POLL_SECONDS = 30.0, 90.0, 0.05
REST_SECONDS = 120.0
SOON = [0.3] * 60
"""Stripe tries again after minutes and hours; the sandbox does so here at once, and not for ever."""
PLAIN = {
    "sign_with": WEBHOOK_SECRET,
    "retry_seconds": SOON,
    "skew_seconds": 0,
    "duplicate": 1,
    "shuffle": False,
    "hold": False,
    "drop_probability": 0.0,
}
"""How Stripe delivers when nothing is wrong."""
OPEN = """
SELECT concat(type, ' ', object_id, ' ', state, ' ', error_words) FROM webhook_event
WHERE state IN ('received', 'processing')
UNION ALL
SELECT concat(kind, ' ', subject_id, ' ', state, ' ', error) FROM sync_task
WHERE state IN ('waiting', 'sending', 'unknown') LIMIT 4
"""


@dataclass(slots=True)
class World:
    """A furnished product behind proxies. Rows of the fault model run in it one after the other."""

    product: Product
    postgres: Proxy
    sandbox: Proxy
    broker: Proxy | None
    broker_url: str | None
    """The broker itself, past the proxy."""
    unpaid: list[int]
    sender: Sender = field(init=False)
    """Delivers beside Stripe, for the length of a row."""
    accepted: list[str] = field(default_factory=list)
    """Events of our own that were answered 2xx."""
    slowest_answer: float = 0.0
    healed_at: float = field(default_factory=time.monotonic)

    @property
    def stripe(self) -> StripeControl:
        """The sandbox, past the proxy."""
        return StripeControl(self.product.sandbox_url)

    @property
    def data_dir(self) -> Path:
        """The portal's data folder."""
        return self.product.settings.data_dir

    # ---- what people and Stripe do

    def take(self, number: int) -> list[int]:
        """So many invoices that nobody has paid yet."""
        taken, self.unpaid = self.unpaid[:number], self.unpaid[number:]
        assert len(taken) == number, "the world has too few invoices for its rows"
        return taken

    async def pay(self, invoice_id: int) -> str:
        """A customer pays at Stripe, which tells the portal by itself. The invoice's id there."""
        external_id = str(
            await self.product.value("SELECT external_id FROM invoice WHERE id = $1", invoice_id)
        )
        paid_with = {"payment_method": "pm_card_visa"}
        # A plain dictionary, where the SDK declares one of its own.
        await asyncio.to_thread(self.stripe.dashboard.invoices.pay, external_id, paid_with)  # type: ignore[arg-type]
        return external_id

    def heal(self) -> None:
        """Every fault is taken back."""
        self.stripe.control("DELETE", "/faults")
        self.deliver_with(**PLAIN)
        for proxy in (self.postgres, self.sandbox, self.broker):
            if proxy is not None:
                proxy.set(Line.PASS)

    def deliver_with(self, **manner: Any) -> None:
        """Change how Stripe delivers."""
        self.stripe.control("POST", "/deliver", manner)

    async def send(self, event: dict[str, Any], *, patience: float = 20.0) -> int:
        """A delivery of our own; the status, 0 without an answer. Its time counts against the promise."""
        began = time.monotonic()
        try:
            status = (await self.sender.deliver(event, patience=patience)).status_code
        except httpx.TransportError:
            status = 0
        self.slowest_answer = max(self.slowest_answer, time.monotonic() - began)
        if 200 <= status < 300:
            self.accepted.append(event["id"])
        return status

    def chore(self, *words: str) -> str:
        """Something that needs the portal's own services, in a process of its own; what it printed."""
        variables = {"PORTAL_DATA_DIR": str(self.data_dir), "PORTAL_BASE_URL": self.product.portal.url}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.chores", *words],
            cwd=ROOT,
            env={**kept, **variables},
            capture_output=True,
            text=True,
            timeout=CHORE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    # ---- what goes wrong

    async def kill_at(self, place: Failpoint, *, within: float) -> None:
        """Wait until a process died at the place, which was armed.

        Raises:
            AssertionError: none came by.
        """
        deadline = time.monotonic() + within
        while armed(place, self.data_dir):
            assert time.monotonic() < deadline, f"nobody reached {place} within {within:.0f} s"
            await asyncio.sleep(POLL_SECONDS)

    def arm(self, place: Failpoint) -> None:
        """The next process that comes by there dies."""
        arm(place, self.data_dir)

    async def restart_postgres(self) -> None:
        """End PostgreSQL as `pg_ctl -m immediate` does, and start it again."""
        server: Server = await asyncio.to_thread(ensure_running, self.data_dir)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(ensure_running, self.data_dir)

    async def ring_again(self, event_ids: Sequence[int], *, times: int) -> None:
        """Have the broker deliver the messages for these events again, whichever it is."""
        words = [str(event_id) for event_id in event_ids for _ in range(times)]
        await asyncio.to_thread(self.chore, "ring", self.broker_url or "", *words)

    @contextlib.contextmanager
    def standing_workers(self) -> Iterator[None]:
        """Workers neither work nor end until the end of the block."""
        processes = self.product.worker_processes
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    async def empty_broker(self) -> None:
        """The broker forgets every message."""
        await asyncio.to_thread(empty, self.broker_url or "")

    # ---- rest

    def healed(self) -> None:
        """The fault is over: what is not well yet has so long from now on."""
        self.healed_at = time.monotonic()

    async def rest(self, *, seconds: float = REST_SECONDS) -> float:
        """Wait until nothing is open: Stripe has delivered, the inbox and the outbox are done.

        Returns:
            Seconds since the fault ended.

        Raises:
            AssertionError: something still was, for so long.
        """
        deadline = time.monotonic() + seconds
        while left := await self._left():
            assert time.monotonic() < deadline, f"after {seconds:.0f} s still open: {left}"
            await asyncio.sleep(POLL_SECONDS)
        return max(0.0, time.monotonic() - self.healed_at)

    async def _left(self) -> str:
        found = await asyncio.to_thread(self.stripe.control, "GET", "/deliveries", {"limit": 5000})
        pending = sum(1 for delivery in found["data"] if delivery["state"] == "pending")
        if pending:
            return f"{pending} deliveries"
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            rows = await self.product.rows(OPEN)
            return "; ".join(row[0] for row in rows)
        return "no database"

    def log_around(self, words: str, *, lines: int = 40) -> str:
        """What the worker's log says from the line with these words on."""
        said = (self.data_dir / "logs" / "worker.log").read_text(errors="replace").splitlines()
        found = [number for number, line in enumerate(said) if words in line]
        return "\n".join(said[found[0] : found[0] + lines]) if found else ""

    async def delivered(self) -> list[dict[str, Any]]:
        """Every delivery of Stripe's that was answered 2xx."""
        found = await asyncio.to_thread(self.stripe.control, "GET", "/deliveries", {"limit": 5000})
        return [delivery for delivery in found["data"] if delivery["state"] == "delivered"]


@contextlib.contextmanager
def running_world(folder: Path, *, invoices: int, broker: str = "postgres") -> Iterator[World]:
    """Two web and two worker processes, PostgreSQL, the sandbox and the broker, each behind a proxy."""
    folder.chmod(0o711)  # as root PostgreSQL runs as somebody else, who must pass through
    data_dir = folder / "portal"
    with contextlib.ExitStack() as stack:
        server = ensure_running(data_dir)
        stack.callback(lambda: ensure_running(data_dir).stop())
        postgres = stack.enter_context(Proxy(Path(server.connection["host"]) / SOCKET).running())
        sandbox_port = stack.enter_context(_running_sandbox(folder))
        sandbox = stack.enter_context(Proxy(("127.0.0.1", sandbox_port)).running())
        lines: dict[str, Proxy | None] = {"postgres": postgres, "sandbox": sandbox, "broker": None}
        broker_url = own_url(broker)
        if broker_url:
            parts = urlsplit(broker_url)
            lines["broker"] = stack.enter_context(Proxy((parts.hostname or "", parts.port or 0)).running())
            empty(broker_url)
            stack.callback(empty, broker_url)
        environment = _environment(postgres, sandbox, lines["broker"], broker_url)
        portal = stack.enter_context(running_portal(data_dir, breaks=True, **environment))
        variables = {"PORTAL_DATA_DIR": str(data_dir), "PORTAL_BASE_URL": portal.url}
        made = furnish(invoices, variables)
        product = Product(
            portal,
            load_settings(variables),
            str(made["webhook_path"]),
            tuple(made["invoice_ids"]),
            f"http://127.0.0.1:{sandbox_port}",
        )
        world = World(
            product,
            postgres,
            sandbox,
            lines["broker"],
            broker_url,
            list(product.invoice_ids),
        )
        world.stripe.add_endpoint(product.webhook_url)
        world.deliver_with(**PLAIN)
        yield world


def own_url(broker: str) -> str | None:
    """A broker of this kind that nothing else uses: another Redis database, another RabbitMQ host."""
    url = URLS[broker]
    if url is None:
        return None
    parts = urlsplit(url)
    if broker == "redis":
        return parts._replace(path="/13").geturl()
    return parts._replace(path="/" + _virtual_host()).geturl()


def _virtual_host() -> str:
    """One of our own where `rabbitmqctl` can make it, else the default one."""
    name = "portal_faults"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        for words in (["add_vhost", name], ["set_permissions", "-p", name, "guest", ".*", ".*", ".*"]):
            subprocess.run(["rabbitmqctl", *words], capture_output=True, timeout=30, check=True)
        return name
    return ""


def empty(broker_url: str) -> None:
    """Take every message from the broker."""
    if broker_url.startswith("redis"):
        with redis.Redis.from_url(broker_url) as server:
            server.flushdb()
        return
    import pika  # type: ignore[import-untyped]  # noqa: PLC0415 - only where RabbitMQ is used

    with pika.BlockingConnection(pika.URLParameters(broker_url)) as connection:
        for name in ("default", "default.DQ", "default.XQ"):
            channel = connection.channel()
            with contextlib.suppress(pika.exceptions.ChannelClosedByBroker):
                channel.queue_purge(name)


def _environment(
    postgres: Proxy, sandbox: Proxy, broker: Proxy | None, broker_url: str | None
) -> dict[str, str]:
    environment = {
        "PORTAL_DATABASE_URL": f"postgresql://portal@127.0.0.1:{postgres.port}/portal?sslmode=disable",
        "PORTAL_STRIPE_API_BASE": f"http://127.0.0.1:{sandbox.port}",
        "PORTAL_WEB_WORKERS": "2",
        "PORTAL_WORKER_PROCESSES": "2",
        "PORTAL_FAILPOINTS": ",".join(f"{place}=once" for place in Failpoint),
    }
    if broker and broker_url:
        parts = urlsplit(broker_url)
        who = parts.netloc.rpartition("@")[0]
        where = f"{who}@127.0.0.1:{broker.port}" if who else f"127.0.0.1:{broker.port}"
        environment["PORTAL_BROKER_URL"] = parts._replace(netloc=where).geturl()
    return environment


@contextlib.contextmanager
def _running_sandbox(folder: Path) -> Iterator[int]:
    import socket  # noqa: PLC0415 - for this alone

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with (folder / "sandbox.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "plugins.stripe.sandbox", "--port", str(port)],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            preexec_fn=end_with_parent(),  # noqa: PLW1509 - one system call
        )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not answers(f"http://127.0.0.1:{port}/_sandbox/ready"):
            assert time.monotonic() < deadline, (folder / "sandbox.log").read_text()
            time.sleep(POLL_SECONDS)
        yield port
    finally:
        end(psutil.Process(process.pid), signal_number=15, deadline_seconds=5)
        process.wait(5)
