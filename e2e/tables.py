"""A look into the database of a portal that runs, beside Playwright, which holds the thread's event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import asyncpg

from e2e.portals import RunningPortal
from portal.database.engine import connection_options
from portal.settings import load_settings


def rows(portal: RunningPortal, query: str, *arguments: object) -> list[asyncpg.Record]:
    """Ask on a connection of our own."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        return beside.submit(lambda: asyncio.run(_rows(portal, query, *arguments))).result()


async def _rows(portal: RunningPortal, query: str, *arguments: object) -> list[asyncpg.Record]:
    settings = load_settings({"PORTAL_DATA_DIR": str(portal.data_dir), "PORTAL_BASE_URL": portal.url})
    held = await asyncpg.connect(**connection_options(settings, name="portal-tests"))
    try:
        found: list[asyncpg.Record] = await held.fetch(query, *arguments)
        return found
    finally:
        await held.close(timeout=5)


def forget_runs(portal: RunningPortal) -> None:
    """Let a person check as often as they like: the tests are faster than any."""
    rows(portal, "DELETE FROM check_allowance")


def forget_forms(portal: RunningPortal) -> None:
    """A connect form that nobody has filled in: a new address, and nothing checked."""
    rows(portal, "DELETE FROM pending_endpoint")
    rows(portal, "DELETE FROM check_run WHERE subject LIKE 'form:%'")
    forget_runs(portal)
