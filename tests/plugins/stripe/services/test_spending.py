"""Every call of a saved connection is taken from its budget, and a refused one slows all of them down."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from plugins.stripe.gateway.client import SlowDown
from plugins.stripe.gateway.reads import retrieve_customer
from plugins.stripe.gateway.spending import calls_per_second
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.accounts.services import load_account
from portal.contract.facts import Mode
from portal.errors import ConfigurationError
from portal.settings import current_settings
from portal.sync.budgets import BudgetSpent
from portal.sync.counts import counts_since, flush_counts, forget_counts
from tests.builders import Connected
from tests.plugins.stripe.services.stories import published_invoice


async def test_the_calls_counted_are_the_calls_that_stripe_sees(
    account: Connected, sandbox: RunningSandbox
) -> None:
    forget_counts()
    await published_invoice()
    await flush_counts()
    counted = {entry.what: entry.happened for entry in await counts_since(account.id, datetime.now(UTC))}
    assert counted["call"] == sum(sandbox.calls().values()) > 3


async def test_after_a_refusal_nothing_is_sent_until_stripe_said(
    account: Connected, sandbox: RunningSandbox
) -> None:
    loaded = await load_account(account.id)
    await published_invoice()
    sandbox.add_fault(match="GET /v1/customers/*", status=429, headers={"Retry-After": "30"}, times=1)
    with pytest.raises(SlowDown):
        await retrieve_customer(loaded, current_settings(), "cus_1")
    before = sandbox.calls()
    with pytest.raises(BudgetSpent) as spent:
        await retrieve_customer(loaded, current_settings(), "cus_1")
    assert (spent.value.retry_after or 0) > 20
    assert sandbox.calls() == before


async def test_an_object_that_is_locked_slows_nobody_down(
    account: Connected, sandbox: RunningSandbox
) -> None:
    loaded = await load_account(account.id)
    await published_invoice()
    sandbox.add_fault(match="GET /v1/customers/*", status=429, code="lock_timeout", times=2)
    for _ in range(2):
        with pytest.raises(SlowDown):
            await retrieve_customer(loaded, current_settings(), "cus_1")


async def test_the_limit_is_stripes_own_unless_somebody_names_another(account: Connected) -> None:
    test = await load_account(account.id)
    settings = replace(current_settings(), plugin_variables={})
    assert calls_per_second(test, settings) == 25
    assert calls_per_second(replace(test, mode=Mode.LIVE), settings) == 100
    named = replace(settings, plugin_variables={"stripe_calls_per_second": "12.5"})
    assert calls_per_second(test, named) == 12.5
    wrong = replace(settings, plugin_variables={"stripe_calls_per_second": "-1"})
    with pytest.raises(ConfigurationError, match="CALLS_PER_SECOND"):
        calls_per_second(test, wrong)
