"""Whatever happens in Stripe and however its events arrive, the portal ends where Stripe is.

`PORTAL_TEST_HISTORIES=20000` runs more of them, `--hypothesis-seed=3` others than usual. A failing history is
printed, as short as it can be made.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from plugins.stripe.services.webhooks import process_event
from portal.audit.services import verify
from portal.settings import Settings
from portal.webhooks.locks import object_lock
from portal.webhooks.processing import claim_events
from tests.plugins.stripe.services import desks
from tests.plugins.stripe.services.acting import NUMBERS, Acting
from tests.plugins.stripe.services.direct import Json
from tests.plugins.stripe.services.stages import Stage, opened_stage

HISTORIES = int(os.environ.get("PORTAL_TEST_HISTORIES", "1000"))
STEPS = 4
ROUNDS = 6
"""So often news may lead to work that leads to news, until both sides are at rest."""
WORKERS = 8
"""How many events are in work at once, as in a worker process."""
STANDING = """
SELECT i.external_id, i.status, i.total_minor, i.amount_paid_minor,
       coalesce(sum(p.amount_minor), 0)::bigint AS ledger,
       count(p.id) - count(DISTINCT p.kind || p.external_id) AS doubles
FROM invoice i LEFT JOIN payment p ON p.invoice = i.id
WHERE i.account = $1 AND i.external_id = ANY($2::text[]) AND i.external_id IS NOT NULL GROUP BY i.id
"""
UNENDED = """
SELECT type, state, error_words FROM webhook_event
WHERE state NOT IN ('processed', 'ignored') AND id = ANY(ARRAY(
    SELECT event FROM webhook_identity WHERE account = $1 AND external_id = ANY($2::text[])
))
"""


class Histories(Acting):
    """One history: people act, events come in any order, some twice, some late, workers die."""

    # ---- how their events come

    @precondition(lambda self: self.waiting)
    @rule(seed=NUMBERS, share=st.integers(1, 4), copies=st.integers(1, 2))
    def deliver(self, seed: int, share: int, copies: int) -> None:
        """Some of those that wait, shuffled; the others are late, or were lost and are found at the end."""
        chosen = random.Random(seed)  # noqa: S311 - a fixed order, not a secret
        chosen.shuffle(self.waiting)
        count = max(len(self.waiting) * share // 4, 1)
        now, self.waiting = self.waiting[:count], self.waiting[count:]
        self.delivered += now
        self._handle(now * copies, chosen)

    @precondition(lambda self: self.delivered)
    @rule(seed=NUMBERS)
    def deliver_old(self, seed: int) -> None:
        chosen = random.Random(seed)  # noqa: S311 - as above
        self._handle(chosen.sample(self.delivered, min(3, len(self.delivered))), chosen)

    def _handle(self, events: list[Json], chosen: random.Random) -> None:
        self.stage.run(self._take_and_process(events, chosen))
        self.check()

    async def _take_and_process(self, events: list[Json], chosen: random.Random) -> None:
        ids = await self.stage.deliver(events)
        chosen.shuffle(ids)
        half = chosen.randrange(len(ids) + 1)
        free = asyncio.Semaphore(WORKERS)
        await asyncio.gather(*(self._process(event_id, free) for event_id in ids[:half]))
        for event_id in ids[half:]:
            await process_event(event_id)

    async def _process(self, event_id: int, free: asyncio.Semaphore) -> None:
        async with free:
            await process_event(event_id)

    @precondition(lambda self: self.waiting)
    @rule(seed=NUMBERS)
    def die(self, seed: int) -> None:
        """A worker claims an event and is never heard of again; another finds the lease ended."""
        chosen = random.Random(seed)  # noqa: S311 - as above
        event = self.waiting.pop(chosen.randrange(len(self.waiting)))
        self.delivered.append(event)
        self.stage.run(self._die(event))
        self.check()

    async def _die(self, event: Json) -> None:
        (event_id,) = await self.stage.deliver([event])
        async with object_lock(self.stage.account.id, "dying") as held:
            group = await held.fetchval("SELECT group_id FROM webhook_event WHERE id = $1", event_id)
            await claim_events(held, self.stage.account.id, "dying", [group])
            await held.execute(
                "UPDATE webhook_event SET lease_until = now() - interval '1 s' WHERE state = 'processing'"
            )
        await process_event(event_id)

    # ---- what must hold

    def check(self) -> None:
        """After every step: no money twice or from nowhere, nothing goes back to what it was."""
        bills = {bill.external_id: bill for bill in self.shadow.bills}
        for row in self.stage.run(self.stage.rows(STANDING, self.stage.account.id, list(bills))):
            bill = bills[row["external_id"]]
            assert row["ledger"] == row["amount_paid_minor"] >= 0, (dict(row), bill)
            assert row["ledger"] <= bill.paid + bill.voided, (dict(row), bill)
            assert row["doubles"] == 0, dict(row)
            assert self.shadow.allows(bill, row["status"]), (dict(row), bill)

    def teardown(self) -> None:
        """What was late or lost comes at last: then both sides say the same."""
        if self.shadow.buyers:
            self._come_to_rest()
            self.stage.run(self._compare())

    def _come_to_rest(self) -> None:
        for _ in range(ROUNDS):
            self.deliver(7, 4, 1) if self.waiting else None
            busy = self.stage.run(desks.tell_stripe())
            self._collect()
            self._count_credits()
            if not busy and not self.waiting:
                return
        raise AssertionError("the two sides never come to rest")

    async def _compare(self) -> None:
        account = self.stage.account.id
        told = [event["id"] for event in self.delivered]
        assert not [dict(row) for row in await self.stage.rows(UNENDED, account, told)]
        ids = [bill.external_id for bill in self.shadow.bills]
        found = {row["external_id"]: row for row in await self.stage.rows(STANDING, account, ids)}
        for bill in self.shadow.bills:
            row, theirs = found[bill.external_id], self.stage.direct.find("invoice", bill.external_id)
            assert (row["status"], row["amount_paid_minor"]) == (bill.status, bill.left), (dict(row), bill)
            assert row["total_minor"] == theirs["total"] == bill.total
            settled = bill.status in ("paid", "refunded")
            assert theirs["status"] in (bill.closed, "paid" if settled else "open"), (theirs, bill)
        for one in self.shadow.subscriptions:
            (row,) = await self.stage.rows(
                "SELECT s.*, p.words FROM subscription s JOIN plan p ON p.external_id = s.plan_external_id "
                "WHERE s.external_id = $1",
                one.external_id,
            )
            seen = (row["status"], row["plan_external_id"])
            assert seen == (one.status, one.plan), (dict(row), one)
            assert row["cancel_at_period_end"] == one.ends or one.status == "canceled", (dict(row), one)
        for buyer in self.shadow.buyers:
            (row,) = await self.stage.rows(
                "SELECT name FROM customer_link WHERE external_id = $1", buyer.external_id
            )
            assert row["name"] == buyer.name


@pytest.fixture
async def stage(database: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Both sides, on an empty database."""
    async with opened_stage(settings, monkeypatch) as opened:
        yield opened


@pytest.mark.timeout(3600)
def test_a_thousand_histories_end_where_stripe_is(stage: Stage, pytestconfig: pytest.Config) -> None:
    Histories.stage = stage
    chosen = settings(
        max_examples=HISTORIES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=pytestconfig.getoption("--hypothesis-seed") is None,
        database=None,
        print_blob=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Histories, settings=chosen)
    assert stage.run(verify()).intact


def test_a_customer_that_an_invoice_brings_is_called_what_its_link_says(stage: Stage) -> None:
    Histories.stage = stage

    state = Histories()
    state.begin(here=0, amount=100)
    state.rename(name="Globex Trading")
    state.deliver(copies=1, seed=0, share=2)
    state.rename(name="Initrode")
    state.teardown()
