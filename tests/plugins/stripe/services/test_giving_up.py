"""A task that a worker gave back, or that was given up: nobody loses money or work over it."""

from __future__ import annotations

import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway.client import CallRefused
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.publishing import run_sync_task
from portal.accounts.services import AccountDisconnected
from portal.audit.services import SYSTEM
from portal.connected.unsent import retry_task, unsent_of
from portal.contract.errors import ProviderUnavailable
from portal.sync.claiming import claim_task
from portal.sync.ending import give_back
from portal.sync.rules import MAX_ATTEMPTS
from tests.builders import Connected
from tests.plugins.stripe.services.errands import World, refund
from tests.plugins.stripe.services.stories import retry_now, value


@pytest.fixture
def world(account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services) -> World:
    return World(account, sandbox, stripe)


async def test_a_worker_that_comes_too_late_leaves_the_task_to_who_took_it(world: World) -> None:
    errand = await refund(world)
    slow = await claim_task(errand.task)
    assert slow is not None
    await value("UPDATE sync_task SET lease_until = now() - interval '1 second'")
    await run_sync_task(errand.task)
    for error in (CallRefused("It was refunded already."), ProviderUnavailable("It took too long.")):
        await give_back(slow, error)
        assert await value("SELECT state || error FROM sync_task WHERE id = $1", errand.task) == "done"
    await errand.check()


async def test_a_refund_that_cannot_be_asked_for_now_keeps_its_money(world: World) -> None:
    errand = await refund(world)
    world.sandbox.add_fault(match=errand.route, drop="after", times=1)
    await run_sync_task(errand.task)
    sealed = await value("SELECT sealed_credentials FROM connected_account")
    await value("""UPDATE connected_account SET sealed_credentials = '{"secret_key": "of another portal"}'""")
    await retry_now(errand.task)
    assert await value("SELECT status FROM refund") == "requested"
    await value("UPDATE connected_account SET sealed_credentials = $1", sealed)
    await retry_now(errand.task)
    assert await value("SELECT state FROM sync_task WHERE id = $1", errand.task) == "done"
    await errand.check()


async def test_a_refund_that_was_given_up_is_found_or_sent_when_somebody_asks_again(world: World) -> None:
    errand = await refund(world)
    world.sandbox.add_fault(match=errand.route, drop="after", times=1)
    await value("UPDATE sync_task SET attempts = $1 WHERE id = $2", MAX_ATTEMPTS, errand.task)
    await run_sync_task(errand.task)
    (unsent,) = await unsent_of(world.account.id)
    assert (unsent.kind, unsent.may_retry) == ("send_refund", True)
    await retry_task(world.account.id, errand.task, actor=SYSTEM)
    await run_sync_task(errand.task)
    assert await unsent_of(world.account.id) == []
    await errand.check()


async def test_the_end_of_a_connection_is_no_refusal_of_a_refund(world: World) -> None:
    errand = await refund(world)
    claimed = await claim_task(errand.task)
    assert claimed is not None
    await give_back(claimed, AccountDisconnected("It was disconnected."))
    assert await value("SELECT status || ' ' || failure FROM refund") == "requested It was disconnected."
