"""The engine of the checks: order, deadlines, skipping, and that leaving stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from portal.accounts.validations import Outcome, run_checks, run_to_end
from portal.contract.checks import Check, CheckContext, CheckResult, CheckStatus
from portal.errors import Conflict
from portal.settings import Settings

PASSED = CheckResult(CheckStatus.PASSED, "Fine.")
FAILED = CheckResult(CheckStatus.FAILED, "No.")
Run = Callable[[CheckContext], Awaitable[CheckResult]]


def answering(result: CheckResult) -> Run:
    """A check function that answers at once."""

    async def run(context: CheckContext) -> CheckResult:
        return result

    return run


def check(name: str, run: Run, *, needs: tuple[str, ...] = (), seconds: float = 10.0) -> Check:
    return Check(
        name, name.title(), "Waiting.", run, needs=needs, seconds=seconds, skipped_because="Not asked."
    )


@pytest.fixture
def context(settings: Settings) -> CheckContext:
    return CheckContext({}, "https://portal.example/webhooks/x/y", settings)


async def run(context: CheckContext, *checks: Check) -> Outcome:
    return await run_to_end(checks, context, provider="Acme")


async def test_independent_checks_run_side_by_side(context: CheckContext) -> None:
    met = asyncio.Barrier(2)

    async def meet(_: CheckContext) -> CheckResult:
        await met.wait()
        return PASSED

    outcome = await run(context, check("a", meet, seconds=5), check("b", meet, seconds=5))
    assert [r.status for r in outcome.results.values()] == [CheckStatus.PASSED] * 2


async def test_a_check_sees_what_the_one_it_needs_learned(context: CheckContext) -> None:
    async def learn(seen: CheckContext) -> CheckResult:
        await asyncio.sleep(0)
        seen.facts["account"] = "acct_1"
        return PASSED

    async def use(seen: CheckContext) -> CheckResult:
        return CheckResult(CheckStatus.PASSED, str(seen.facts["account"]))

    outcome = await run(context, check("a", learn), check("b", use, needs=("a",)))
    assert outcome.results["b"].message == "acct_1"


async def test_what_needs_a_failed_check_is_skipped_to_the_end_of_the_chain(context: CheckContext) -> None:
    checks = (
        check("a", answering(FAILED)),
        check("b", answering(PASSED), needs=("a",)),
        check("c", answering(PASSED), needs=("b",)),
        check("d", answering(PASSED)),
    )
    outcome = await run(context, *checks)
    assert outcome.results["b"] == CheckResult(CheckStatus.SKIPPED, "Not asked.")
    assert outcome.results["c"].status is CheckStatus.SKIPPED
    assert outcome.results["d"].status is CheckStatus.PASSED
    assert outcome.failed == ("a",)


async def test_a_silent_provider_fails_the_check_with_words(context: CheckContext) -> None:
    async def hang(_: CheckContext) -> CheckResult:
        await asyncio.Event().wait()
        return PASSED

    outcome = await run(context, check("a", hang, seconds=0.05))
    assert outcome.results["a"].message == "Acme did not answer in 0.05 seconds."


async def test_an_error_of_ours_becomes_its_own_words(context: CheckContext) -> None:
    async def refuse(_: CheckContext) -> CheckResult:
        raise Conflict("Already there.", hint="Look at the list.")

    found = (await run(context, check("a", refuse))).results["a"]
    assert (found.status, found.message, found.fix) == (
        CheckStatus.FAILED,
        "Already there.",
        "Look at the list.",
    )


async def test_a_bug_in_a_check_shows_nothing_it_held_and_stops_no_other(
    context: CheckContext, caplog: pytest.LogCaptureFixture
) -> None:
    async def leak(_: CheckContext) -> CheckResult:
        raise RuntimeError("sk_test_do_not_show_me")

    outcome = await run(context, check("a", leak), check("b", answering(PASSED)))
    assert outcome.results["a"].status is CheckStatus.FAILED
    assert "sk_test" not in outcome.results["a"].message + outcome.results["a"].fix + caplog.text
    assert outcome.results["b"].status is CheckStatus.PASSED


async def test_each_step_is_told_as_it_happens(context: CheckContext) -> None:
    checks = (check("a", answering(PASSED)), check("b", answering(FAILED), needs=("a",)))
    steps = [
        (step.check.id, step.result.status if step.result else None)
        async for step in run_checks(checks, context, provider="Acme")
    ]
    assert steps == [("a", None), ("a", CheckStatus.PASSED), ("b", None), ("b", CheckStatus.FAILED)]


async def test_leaving_stops_what_still_runs(context: CheckContext) -> None:
    stopped = asyncio.Event()

    async def hang(_: CheckContext) -> CheckResult:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return PASSED

    steps = run_checks((check("a", hang, seconds=1000),), context, provider="Acme")
    await anext(steps)
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await steps.aclose()
    assert stopped.is_set()


async def test_doubts_are_warnings_and_what_is_unproved(context: CheckContext) -> None:
    outcome = await run(
        context,
        check("a", answering(CheckResult(CheckStatus.WARNING, "Hm."))),
        check("b", answering(CheckResult(CheckStatus.UNPROVED, "Hm."))),
        check("c", answering(PASSED)),
    )
    assert outcome.doubtful == ("a", "b")
    assert outcome.failed == ()
