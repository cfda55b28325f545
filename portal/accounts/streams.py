"""A run of checks as a stream of fragments: each row is swapped in as its check begins and ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from litestar.response import ServerSentEvent, ServerSentEventMessage

from portal.accounts.pages import check_context, render
from portal.accounts.validations import Progress, run_checks
from portal.accounts.views import CheckBoard, checking_row, headline_of, result_row
from portal.contract.checks import CheckContext, CheckResult
from portal.contract.plugin import FieldFeedback, Plugin
from portal.web.request import PortalRequest


def stream_checks(
    request: PortalRequest,
    plugin: Plugin,
    context: CheckContext,
    *,
    feedback: Mapping[str, FieldFeedback] | None = None,
    check_form: str = "",
) -> ServerSentEvent:
    """The answer to Validate. Leaving the page ends the run.

    Args:
        request: who asks; its template engine renders the rows.
        plugin: whose checks run.
        context: the credentials to check.
        feedback: words for the form's fields, sent first.
        check_form: the form that the rows' "Check again" sends, when it is not the connect form.
    """
    names = check_context(plugin) | ({"check_form": check_form} if check_form else {})
    return ServerSentEvent(
        _messages(request, plugin, context, feedback=feedback or {}, names=names),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _messages(
    request: PortalRequest,
    plugin: Plugin,
    context: CheckContext,
    *,
    feedback: Mapping[str, FieldFeedback],
    names: dict[str, str],
) -> AsyncGenerator[ServerSentEventMessage, None]:
    total = len(plugin.checks)
    title = plugin.manifest.title
    yield _message(
        render(request, "accounts/_run_begins.html", feedback=feedback, total=total, provider=title)
    )
    steps = run_checks(plugin.checks, context, provider=title)
    try:
        async for step in steps:
            yield _message(_step(request, step, context.results, total=total, names=names))
    finally:
        await steps.aclose()
    yield _message(_end(request, context.results, names))


def _step(
    request: PortalRequest,
    step: Progress,
    results: Mapping[str, CheckResult],
    *,
    total: int,
    names: dict[str, str],
) -> str:
    row = result_row(step.check, step.result) if step.result else checking_row(step.check)
    return render(
        request, "accounts/_run_step.html", row=row, number=min(len(results) + 1, total), total=total, **names
    )


def _end(request: PortalRequest, results: Mapping[str, CheckResult], names: dict[str, str]) -> str:
    tone, headline = headline_of(results)
    return render(request, "accounts/_run_ends.html", board=CheckBoard(headline, tone, ran=True), **names)


def _message(html: str) -> ServerSentEventMessage:
    return ServerSentEventMessage(data=html)
