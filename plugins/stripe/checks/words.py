"""Words and addresses that several checks share."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence

from plugins.stripe.domain import keys
from plugins.stripe.domain.codes import Code
from plugins.stripe.gateway.client import SlowDown
from portal.sdk import (
    AccountAuthFailed,
    CheckContext,
    CheckResult,
    CheckStatus,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
)

DASHBOARD = "https://dashboard.stripe.com"
REFUSED = CheckResult(CheckStatus.SKIPPED, "Not checked because the key was refused.", code=Code.KEY_REFUSED)
Run = Callable[[CheckContext], Awaitable[CheckResult]]


def answers_in_words(run: Run) -> Run:
    """A check that says so when Stripe does not answer it, and leaves a refused key to the account check."""

    @functools.wraps(run)
    async def run_or_tell(context: CheckContext) -> CheckResult:
        try:
            return await run(context)
        except AccountAuthFailed:
            return REFUSED
        except ProviderError as error:
            return unanswered(error)

    return run_or_tell


def unanswered(error: ProviderError) -> CheckResult:
    """What a check says when Stripe gave no answer that tells anything; it can be run again."""
    fix = "Check again in a moment. If it stays so, look at status.stripe.com."
    match error:
        case SlowDown():
            code, fix = Code.SLOW_DOWN, "Wait a few seconds, then check again."
        case ProviderUnavailable() | OutcomeUnknown():
            code = Code.UNAVAILABLE
        case _:
            code, fix = Code.CALL_REFUSED, error.hint or "Check again. If it stays so, look at Stripe's logs."
    nothing = isinstance(error, ProviderUnavailable | OutcomeUnknown)
    return CheckResult(CheckStatus.FAILED, error.message, fix=fix, code=code, unanswered=nothing)


def is_live(context: CheckContext) -> bool:
    """Whether the secret key says that it moves real money."""
    return keys.mode_of(context.credentials["secret_key"].reveal()) == "live"


def dashboard_url(context: CheckContext, path: str) -> str:
    """A page of Stripe's dashboard in the mode of the keys."""
    return f"{DASHBOARD}/{path}" if is_live(context) else f"{DASHBOARD}/test/{path}"


def listed(names: Sequence[str]) -> str:
    """`Cards, Link and ACH Direct Debit`."""
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def counted(number: int, noun: str) -> str:
    """`1 event`, `3 events`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def on_or_off(value: object) -> str:
    """`on` or `off`, for comparing."""
    return "on" if value else "off"
