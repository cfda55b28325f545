"""Stripe slow, away or overloaded while the checks run: each says so in words, and can be run again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.domain.codes import Code
from plugins.stripe.gateway import patience, probes
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.accounts.validations import run_to_end
from portal.contract.checks import CheckContext, CheckResult, CheckStatus
from tests.plugins.stripe.connecting.asking import ALONE, BY_ID, add_endpoint
from tests.plugins.stripe.connecting.conftest import ContextOf

SOON, SOONER = 1.5, 1.0
"""Deadlines of a check and of a probe where nothing answers anyway."""
FAULTS: dict[str, dict[str, Any]] = {
    "429": {"status": 429},
    "500": {"status": 500},
    "reset": {"drop": "before"},
    "reset after": {"drop": "after"},
    "time-out": {"delay_ms": 60_000},
}
WORDS = {
    "429": "Stripe asks us to slow down.",
    "500": "Stripe answered 500.",
    "reset": "Stripe could not be reached.",
    "reset after": "Stripe could not be reached.",
    "time-out": f"Stripe did not answer in {SOON:g} seconds.",
}
CODES = {"429": Code.SLOW_DOWN, "time-out": "PROVIDER_TIMEOUT"}
ASKING = ("account", "permissions", "payment_methods", "webhook_endpoint")
each_fault = pytest.mark.parametrize("fault", FAULTS)
each_check = pytest.mark.parametrize("name", ASKING)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter pauses."""
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.01)


async def ask(name: str, context: CheckContext, *, seconds: float = 10.0) -> CheckResult:
    """The check as the portal runs it, alone."""
    check = replace(BY_ID[name], needs=(), seconds=seconds)
    context.results.clear()
    outcome = await run_to_end([check], context, provider="Stripe")
    return outcome.results[name]


@each_fault
@each_check
async def test_a_check_that_stripe_does_not_answer_says_so_and_can_be_run_again(
    *,
    sandbox: RunningSandbox,
    context_of: ContextOf,
    stripe: stripe_sdk.V1Services,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    fault: str,
) -> None:
    add_endpoint(stripe)
    sandbox.add_fault(match="* /v1/**", times=None, **FAULTS[fault])
    context = context_of()
    with monkeypatch.context() as hurry:
        hurry.setattr(probes, "PROBE_SECONDS", SOONER if fault == "time-out" else probes.PROBE_SECONDS)
        found = await ask(name, context, seconds=SOON if fault == "time-out" else 10.0)
    assert found.status is CheckStatus.FAILED
    if name == "permissions":
        why = f"Stripe did not answer in {SOONER:g} seconds." if fault == "time-out" else WORDS[fault]
        assert found.message == f"No permission could be checked. {why}"
        assert found.code == Code.PERMISSION_UNKNOWN
    else:
        assert found.message == WORDS[fault]
        assert found.code == CODES.get(fault, Code.UNAVAILABLE)
    assert found.fix
    sandbox.control("DELETE", "/faults")
    assert (await ask(name, context)).status is CheckStatus.PASSED


CALLS = [
    "GET /v1/account",
    "GET /v1/customers",
    "POST /v1/customers/*",
    "GET /v1/payment_method_domains",
    "POST /v1/setup_intents",
    "GET /v1/setup_intents/*",
    "POST /v1/setup_intents/*/cancel",
    "GET /v1/webhook_endpoints",
    "POST /v1/webhook_endpoints/*",
]


@each_fault
@pytest.mark.parametrize("call", CALLS)
async def test_a_fault_of_any_call_ends_in_words_for_every_check(
    *, sandbox: RunningSandbox, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch, call: str, fault: str
) -> None:
    seconds = SOON if fault == "time-out" else 10.0
    monkeypatch.setattr(probes, "PROBE_SECONDS", seconds / 2)
    sandbox.add_fault(match=call, times=None, **FAULTS[fault])
    context = context_of()
    context.settings = replace(context.settings, base_url="https://portal.example.com")
    checks = [replace(check, seconds=seconds) for check in ALONE]
    outcome = await run_to_end(checks, context, provider="Stripe")
    assert set(outcome.results) == {check.id for check in ALONE}
    for found in outcome.results.values():
        assert found.message
        assert found.code not in ("CHECK_BROKEN", Code.KEY_REFUSED)
        assert found.code or found.status in (CheckStatus.PASSED, CheckStatus.UNPROVED)


@each_check
async def test_a_check_waits_a_moment_when_stripe_asks_to_slow_down(
    sandbox: RunningSandbox, context_of: ContextOf, stripe: stripe_sdk.V1Services, name: str
) -> None:
    add_endpoint(stripe)
    sandbox.add_fault(match="* /v1/**", status=429, times=2)
    assert (await ask(name, context_of())).status is CheckStatus.PASSED


async def test_a_hidden_account_with_a_fault_of_the_balance_says_so(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    sandbox.add_fault(match="GET /v1/balance", status=500, times=None)
    found = await ask("account", context_of(secret_key=sandbox.keys.restricted_key))
    assert (found.status, found.message) == (CheckStatus.FAILED, "Stripe answered 500.")


def test_every_check_has_ten_seconds() -> None:
    assert {check.seconds for check in ALONE} == {10.0}
    assert probes.PROBE_SECONDS < 10.0


async def test_leaving_the_page_stops_what_was_asked(sandbox: RunningSandbox, context_of: ContextOf) -> None:
    sandbox.add_fault(match="* /v1/**", times=None, delay_ms=60_000)
    before = asyncio.all_tasks()
    running = asyncio.create_task(run_to_end(ALONE, context_of(), provider="Stripe"))
    await asyncio.sleep(0.2)
    assert len(asyncio.all_tasks() - before) > len(ASKING)
    running.cancel()
    await asyncio.wait({running})
    for _ in range(100):
        if not (left := asyncio.all_tasks() - before):
            break
        await asyncio.sleep(0.01)
    assert left == set()


async def test_a_check_that_gives_up_does_not_take_the_answer_from_another(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    sandbox.add_fault(match="GET /v1/account", times=None, delay_ms=300)
    context = context_of()
    impatient = replace(BY_ID["account"], needs=(), seconds=0.1)
    patient = replace(BY_ID["payment_methods"], needs=())
    outcome = await run_to_end([impatient, patient], context, provider="Stripe")
    assert outcome.results["account"].code == "PROVIDER_TIMEOUT"
    assert outcome.results["payment_methods"].status is CheckStatus.PASSED
    assert sandbox.calls()["GET /v1/account"] == 1
