"""Words and addresses that several checks share."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence

from plugins.stripe.domain import keys
from portal.sdk import AccountAuthFailed, CheckContext, CheckResult, CheckStatus

DASHBOARD = "https://dashboard.stripe.com"
REFUSED = CheckResult(CheckStatus.SKIPPED, "Not checked because the key was refused.")
Run = Callable[[CheckContext], Awaitable[CheckResult]]


def skipped_when_refused(run: Run) -> Run:
    """The account check says that the key was refused; the others need not repeat it."""

    @functools.wraps(run)
    async def run_or_skip(context: CheckContext) -> CheckResult:
        try:
            return await run(context)
        except AccountAuthFailed:
            return REFUSED

    return run_or_skip


def dashboard_url(context: CheckContext, path: str) -> str:
    """A page of Stripe's dashboard in the mode of the keys."""
    live = keys.mode_of(context.credentials["secret_key"].reveal()) == "live"
    return f"{DASHBOARD}/{path}" if live else f"{DASHBOARD}/test/{path}"


def listed(names: Sequence[str]) -> str:
    """`Cards, Link and ACH Direct Debit`."""
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def counted(number: int, noun: str) -> str:
    """`1 event`, `3 events`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
