"""Runs a plugin's checks: those that need each other in order, the others side by side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace

from portal.contract.checks import Check, CheckContext, CheckResult, CheckStatus
from portal.contract.errors import OutcomeUnknown, ProviderUnavailable
from portal.database.transaction import DatabaseBusy
from portal.errors import PortalError

logger = logging.getLogger("portal.accounts")
NOT_PASSED = frozenset({CheckStatus.FAILED, CheckStatus.SKIPPED})
DOUBTFUL = frozenset({CheckStatus.WARNING, CheckStatus.UNPROVED})


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a run: a check began (`result` is None) or ended."""

    check: Check
    result: CheckResult | None


def _tells_nothing(result: CheckResult) -> bool:
    return result.unanswered or result.status in (CheckStatus.UNPROVED, CheckStatus.SKIPPED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished run found."""

    results: Mapping[str, CheckResult]

    @property
    def green(self) -> bool:
        """Whether every check passed, so that nothing is left to ask."""
        return all(result.status is CheckStatus.PASSED for result in self.results.values())

    @property
    def features_off(self) -> dict[str, str]:
        """Feature id -> why these credentials do not allow it, from all checks."""
        return {name: why for result in self.results.values() for name, why in result.features_off.items()}

    def after(self, before: Mapping[str, CheckResult]) -> Outcome:
        """The same with what the run before found off, where this one could not tell."""
        return Outcome(
            {
                name: replace(result, features_off=before[name].features_off)
                if name in before and not result.features_off and _tells_nothing(result)
                else result
                for name, result in self.results.items()
            }
        )

    @property
    def failed(self) -> tuple[str, ...]:
        """Ids of the checks that block saving: what failed, and what could not be asked because of it."""
        return tuple(name for name, result in self.results.items() if result.status is CheckStatus.FAILED)

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Ids of the checks that ask once more before saving."""
        return tuple(name for name, result in self.results.items() if result.status in DOUBTFUL)


async def run_checks(
    checks: Sequence[Check], context: CheckContext, *, provider: str
) -> AsyncGenerator[Progress, None]:
    """Run the checks and tell of each start and end as it happens.

    Closing the generator (a person left the page) cancels what still runs. `context.results` fills up; what
    it holds at the start is known already and is not asked again.

    Args:
        checks: in the order of the page; a check may need earlier ones only.
        context: what the checks may look at.
        provider: its name, for sentences.
    """
    steps: asyncio.Queue[Progress | None] = asyncio.Queue()
    runner = asyncio.create_task(_run_all(checks, context, provider=provider, steps=steps))
    try:
        while (step := await steps.get()) is not None:
            yield step
        await runner
    finally:
        runner.cancel()
        # Not `await runner`: our own cancellation must go on, whatever the runner ends with.
        await asyncio.wait({runner})


async def run_to_end(checks: Sequence[Check], context: CheckContext, *, provider: str) -> Outcome:
    """Run the checks without an audience."""
    async for _ in run_checks(checks, context, provider=provider):
        pass
    return Outcome({check.id: context.results[check.id] for check in checks})


async def _run_all(
    checks: Sequence[Check],
    context: CheckContext,
    *,
    provider: str,
    steps: asyncio.Queue[Progress | None],
) -> None:
    ended = {check.id: asyncio.Event() for check in checks}
    for name in context.results.keys() & ended.keys():
        ended[name].set()

    async def run_one(check: Check) -> None:
        for name in check.needs:
            await ended[name].wait()
        if any(context.results[name].status in NOT_PASSED for name in check.needs):
            result = CheckResult(CheckStatus.SKIPPED, check.skipped_because)
        else:
            steps.put_nowait(Progress(check, None))
            result = await _ask(check, context, provider=provider)
        context.results[check.id] = result
        ended[check.id].set()
        steps.put_nowait(Progress(check, result))

    try:
        async with asyncio.TaskGroup() as group:
            for check in checks:
                if not ended[check.id].is_set():
                    group.create_task(run_one(check), name=f"check {check.id}")
    finally:
        steps.put_nowait(None)


async def _ask(check: Check, context: CheckContext, *, provider: str) -> CheckResult:
    try:
        async with asyncio.timeout(check.seconds):
            return await check.run(context)
    except TimeoutError:
        return CheckResult(
            CheckStatus.FAILED,
            f"{provider} did not answer in {check.seconds:g} seconds.",
            fix="Check again in a moment. If it stays so, look at the provider's status page.",
            code="PROVIDER_TIMEOUT",
            unanswered=True,
        )
    except PortalError as error:
        return CheckResult(
            CheckStatus.FAILED,
            error.message,
            fix=error.hint,
            code=error.code,
            unanswered=isinstance(error, ProviderUnavailable | OutcomeUnknown | DatabaseBusy),
        )
    # A plugin is foreign code: its bug must not end the other checks, nor show what it held.
    except Exception as error:  # noqa: BLE001 - see above
        logger.error("check %s of %s raised %s", check.id, provider, type(error).__name__)  # noqa: TRY400 - a traceback could quote a key
        return CheckResult(
            CheckStatus.FAILED,
            "This check broke, so nothing is known.",
            fix="The log names the error. Tell whoever runs the portal.",
            code="CHECK_BROKEN",
            unanswered=True,
        )
