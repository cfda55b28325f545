"""Processes are killed in the worst moment: whatever was answered 200 is applied once, within a minute.

A killed worker's events wait half a minute for their lease to end. Tests that need no patience run meanwhile,
so the order in this file saves time; each can run alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from portal.failpoints import Failpoint
from portal.settings import Settings
from tests.processes.conftest import INVOICES
from tests.processes.deliveries import Sender, sender_to, traffic_of, unknown_event
from tests.processes.products import OPEN_EVENTS, PAID_ONCE, UNPAID, Product, running_product
from tests.queue.rooms import URLS, reachable

APPLIED_SECONDS = 60.0
RECOVERED_SECONDS = 15.0
OWN_REDIS = urlsplit(URLS["redis"] or "")._replace(path="/14").geturl()
"""A database that nothing else uses: it is emptied."""
STATE = "SELECT state FROM webhook_event WHERE external_id = $1"


@dataclass(frozen=True, slots=True)
class Wreck:
    """What the death of all workers left behind."""

    half_done: int
    """An invoice whose event a worker was handling."""
    half_done_event: str
    unheard: int
    """An invoice whose event arrived while no worker lived, and whose ring was lost."""
    unheard_event: str
    rung_in_same_statement: bool
    lost_rings: int
    at: float = field(default_factory=time.monotonic)


@pytest.fixture(scope="module")
async def wreck(product: Product) -> Wreck:
    """Kill the workers in the middle of an event, then lose every ring there is."""
    half_done, unheard = product.invoice_ids[INVOICES - 1], product.invoice_ids[INVOICES - 2]
    await product.slow_read_of(half_done, delay_ms=15_000)
    # One event of each: a second one would ring, and rescue its neighbour.
    half_done_event, unheard_event = (await product.pay(half_done))[-1], (await product.pay(unheard))[-1]
    async with sender_to(product.webhook_url) as sender:
        await sender.insist(half_done_event)
        await product.until(STATE, half_done_event["id"], is_="processing", seconds=20)
        product.kill_workers()
        await sender.insist(unheard_event)
    same_statement = await product.value(
        """
        SELECT e.xmin = j.xmin FROM webhook_event e JOIN portal_job j ON j.args = jsonb_build_array(e.id)
        WHERE e.external_id = $1
        """,
        unheard_event["id"],
    )
    lost = await product.rows("DELETE FROM portal_job WHERE actor_name = 'stripe.process_event' RETURNING id")
    return Wreck(half_done, half_done_event["id"], unheard, unheard_event["id"], same_statement, len(lost))


@pytest.fixture(scope="module")
def product_on_redis(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Product]:
    """A second product, whose web process dies each time it has stored an event."""
    if not reachable("redis"):
        assert not settings.ci, "Redis must be running on CI"
        pytest.skip("Redis does not answer on this machine")
    broker = {"PORTAL_BROKER_URL": OWN_REDIS, "PORTAL_FAILPOINTS": f"{Failpoint.INTAKE_STORED}=kill"}
    with redis.Redis.from_url(OWN_REDIS) as server:
        server.flushdb()
        with running_product(tmp_path_factory.mktemp("redis"), invoices=1, **broker) as running:
            yield running
        server.flushdb()


async def test_a_dead_workers_event_is_neither_done_nor_forgotten(product: Product, wreck: Wreck) -> None:
    assert await product.ledger_of([wreck.half_done]) == [UNPAID]
    assert await product.value(STATE, wreck.half_done_event) == "processing"


async def test_an_event_and_its_ring_are_stored_by_one_statement(wreck: Wreck) -> None:
    assert wreck.rung_in_same_statement
    assert wreck.lost_rings == 2


async def test_an_event_is_applied_whose_web_process_died_before_it_rang(product_on_redis: Product) -> None:
    """With Redis the ring is a second step, so that there is a gap to die in."""
    (invoice_id,) = product_on_redis.invoice_ids
    event = (await product_on_redis.pay(invoice_id))[-1]
    async with sender_to(product_on_redis.webhook_url) as sender:
        with pytest.raises(httpx.TransportError):
            await sender.deliver(event)
        died_at = time.monotonic()
        assert await product_on_redis.value(STATE, event["id"]) == "received"
        assert (await sender.insist(event)).json() == {"status": "duplicate"}
    applied_by = died_at + APPLIED_SECONDS
    await product_on_redis.until(STATE, event["id"], is_="processed", seconds=applied_by - time.monotonic())
    assert await product_on_redis.ledger_of([invoice_id]) == [PAID_ONCE]


async def test_all_that_dead_workers_left_is_applied_within_a_minute(product: Product, wreck: Wreck) -> None:
    both = "SELECT count(*) FROM webhook_event WHERE external_id = ANY($1::text[]) AND state = 'processed'"
    events = [wreck.half_done_event, wreck.unheard_event]
    await product.until(both, events, is_=2, seconds=wreck.at + APPLIED_SECONDS - time.monotonic())
    assert await product.ledger_of([wreck.half_done, wreck.unheard]) == [PAID_ONCE] * 2


async def test_killed_postgres_means_503_then_recovery_and_nothing_half_done(
    product: Product, sender: Sender
) -> None:
    paid = product.invoice_ids[INVOICES - 3]
    await product.slow_read_of(paid, delay_ms=6_000)
    in_the_middle = (await product.pay(paid))[-1]
    await sender.insist(in_the_middle)
    await product.until(STATE, in_the_middle["id"], is_="processing", seconds=20)

    async with traffic_of(sender) as traffic:
        await traffic.sees(200, seconds=RECOVERED_SECONDS)
        product.kill_postgres()
        await traffic.sees(503, seconds=RECOVERED_SECONDS)
        await traffic.sees(200, seconds=RECOVERED_SECONDS)

    assert traffic.statuses == {200, 503}
    stored = {row[0] for row in await product.rows("SELECT external_id FROM webhook_event")}
    assert {event["id"] for event in traffic.answered(200)} <= stored
    assert await sender.deliver_each(refused := traffic.answered(503)) == [200] * len(refused)
    await product.until(OPEN_EVENTS, is_=0, seconds=APPLIED_SECONDS)
    assert await product.ledger_of([paid]) == [PAID_ONCE]


async def test_silent_postgres_means_503_before_the_sender_loses_patience(
    product: Product, sender: Sender
) -> None:
    await sender.deliver_each([unknown_event() for _ in range(8)])
    late = [unknown_event() for _ in range(24)]
    with product.frozen_postgres():
        answers = await asyncio.gather(*(sender.deliver(event, patience=8.0) for event in late))
        assert (await sender.http.get(f"{product.portal.url}/health", timeout=8.0)).status_code == 200
    assert {answer.status_code for answer in answers} == {503}
    for event in late:
        await sender.insist(event)
    stored = "SELECT count(*) FROM webhook_event WHERE external_id = ANY($1::text[])"
    assert await product.value(stored, [event["id"] for event in late]) == len(late)
