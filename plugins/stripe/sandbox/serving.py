"""One process, one event loop: the web server, due work, deliveries and the state file."""

from __future__ import annotations

import asyncio
import gc
import signal
from pathlib import Path

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from plugins.stripe.sandbox import saving
from plugins.stripe.sandbox.app import create_app
from plugins.stripe.sandbox.jobs import keep_running
from plugins.stripe.sandbox.sandbox import Sandbox


def serve(sandbox: Sandbox, host: str, port: int, *, state: Path | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    uvloop.run(_serve(sandbox, host, port, state))


async def _serve(sandbox: Sandbox, host: str, port: int, state: Path | None) -> None:
    if state is not None:
        saving.load(sandbox, state)
    server = Server(
        create_app(sandbox),
        host,
        port,
        interface=Interfaces.ASGINL,
        websockets=False,
        log_enabled=False,
        backlog=1024,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    tasks = [loop.create_task(keep_running(sandbox))]
    if state is not None:
        tasks.append(loop.create_task(saving.keep_saved(sandbox, state)))
    # The type tables are built for good: keep the collector from walking them again and again.
    gc.freeze()
    print(f"Stripe sandbox ready on {sandbox.url}", flush=True)  # noqa: T201 - the line that says it is up
    try:
        await server.serve()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await sandbox.courier.close()
        if state is not None:
            saving.save(sandbox, state)
