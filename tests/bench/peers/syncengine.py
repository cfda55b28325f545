"""Supabase's sync engine as a webhook receiver: its library behind Node's own HTTP server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.peers.servers import Ground, free_port, run_once, serving

NAME = "sync-engine"
DATABASE = "bench_syncengine"
PATH = "/hooks"
STORED = """
SELECT (SELECT count(*) FROM stripe.invoices) + (SELECT count(*) FROM stripe.payment_intents)
       + (SELECT count(*) FROM stripe.invoice_payments)
"""
"""It keeps objects, not events; every event that is sent is about an object of its own."""
SCRIPT = Path(__file__).with_name("syncengine.cjs")
ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postgres') THEN CREATE ROLE postgres; END IF;
END $$
"""
"""Its migrations name this role."""


def prepare(ground: Ground, installed: Path) -> None:
    """Make its tables."""
    ground.sql(ROLE)
    ground.sql(f"CREATE DATABASE {DATABASE}")
    shutil.copy(SCRIPT, installed)
    run_once(("node", SCRIPT.name, "migrate"), ground.variables(DATABASE), installed)


@contextmanager
def receiving(ground: Ground, installed: Path, *, processes: int) -> Iterator[str]:
    """Serve with so many processes; the address of the server."""
    port = free_port()
    variables = {**ground.variables(DATABASE), "NODE_ENV": "production"}
    argv = ("node", SCRIPT.name, "serve", str(port), str(processes))
    with serving(argv, variables, port, ground.folder / f"{NAME}.log", folder=installed):
        yield f"http://127.0.0.1:{port}"
