"""PostgreSQL restarts, ends connections, hangs: F8 to F10."""

from __future__ import annotations

import asyncio
import contextlib
import random

import asyncpg

from portal.database.engine import connection_options
from tests.faults.proxies import Line
from tests.faults.schedules import row
from tests.faults.worlds import World
from tests.processes.deliveries import traffic_of, unknown_event

RECOVERED_SECONDS = 15.0
OURS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'portal' AND {who}"
NOT_THE_TESTS = "application_name NOT LIKE 'portal-tests%' AND pid <> pg_backend_pid()"


@row("F8", "PostgreSQL ends at once and starts again, three times, under load")
async def restarts(world: World, dice: random.Random) -> str:
    """Intake says 503 meanwhile and takes deliveries again within ten seconds."""
    invoice_ids = world.take(3)
    async with traffic_of(world.sender) as traffic:
        for invoice_id in invoice_ids:
            await traffic.sees(200, seconds=RECOVERED_SECONDS)
            world.product.slow_reads(delay_ms=dice.randrange(100, 600))
            await world.pay(invoice_id)
            await asyncio.sleep(dice.random() / 4)
            await world.restart_postgres()
        await traffic.sees(200, seconds=RECOVERED_SECONDS)
    world.healed()
    world.accepted += [event["id"] for event in traffic.answered(200)]
    assert traffic.statuses <= {200, 503}, traffic.statuses
    return f"{len(traffic.answered(200))} taken, {len(traffic.answered(503))} told to come again"


@row("F9", "connections to PostgreSQL are ended; a lock is not given")
async def ended_connections(world: World, dice: random.Random) -> str:
    """By the server, by the line, and by an error in the middle of a transaction."""
    ended = 0
    for invoice_id in world.take(4):
        world.product.slow_reads(delay_ms=300)
        await world.pay(invoice_id)
        await asyncio.sleep(dice.random() / 2)
        ended += len(await world.product.rows(OURS.format(who=NOT_THE_TESTS)))
    for invoice_id in world.take(2):
        world.postgres.set(Line.RESET, after=dice.randrange(200, 4_000))
        await world.pay(invoice_id)
        await asyncio.sleep(0.5)
        world.postgres.set(Line.PASS)
    world.healed()
    return f"{ended} connections ended"


@row("F10", "every connection of the pools is held up")
async def exhausted(world: World, _dice: random.Random) -> str:
    """503 within five seconds, no pile behind it, and the process still says that it lives."""
    async with _locked(world, "webhook_identity"):
        sent = [world.send(event := unknown_event(), patience=8.0) for _ in range(30)]
        statuses = await asyncio.gather(*sent)
        health = await world.sender.http.get(f"{world.product.portal.url}/health", timeout=5)
    world.healed()
    assert health.is_success
    assert set(statuses) == {503}, f"{event['type']}: {set(statuses)}"
    assert await world.send(unknown_event()) == 200
    return f"{len(statuses)} times 503"


@contextlib.asynccontextmanager
async def _locked(world: World, table: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a fixture of two lines
    options = connection_options(world.product.settings, name="portal-tests")
    held = await asyncpg.connect(**options | {"server_settings": {}})
    try:
        async with held.transaction():
            await held.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await held.close(timeout=5)
