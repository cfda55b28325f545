"""A run of checks as a stream of fragments: each row is swapped in as its check begins and ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from litestar.response import ServerSentEvent, ServerSentEventMessage

from portal.accounts.pages import render
from portal.accounts.validations import Outcome, Progress, run_checks
from portal.accounts.views import CheckBoard, checking_row, headline_of, result_row
from portal.contract.checks import CheckContext
from portal.contract.descriptions import FieldFeedback
from portal.contract.plugin import Plugin
from portal.web.request import PortalRequest

Finish = Callable[[Outcome], Awaitable[str]]
"""Keeps what the run found; returns further fragments for the page."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who watches a run: the names in their page, and what happens when it has ended."""

    names: Mapping[str, str]
    """From `check_context`: the form and the addresses that rows send it to."""
    finish: Finish
    feedback: Mapping[str, FieldFeedback] = field(default_factory=dict)
    """Words for the form's fields, sent first."""
    note: str = ""
    """A sentence above the checks, such as what a repair did."""


def stream_checks(
    request: PortalRequest, plugin: Plugin, context: CheckContext, audience: Audience
) -> ServerSentEvent:
    """The answer to Validate: whatever `context.results` does not hold yet is asked. Leaving ends the run."""
    return ServerSentEvent(
        _messages(request, plugin, context, audience),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _messages(
    request: PortalRequest, plugin: Plugin, context: CheckContext, audience: Audience
) -> AsyncGenerator[ServerSentEventMessage, None]:
    total, title = len(plugin.checks), plugin.manifest.title
    yield _message(
        render(
            request,
            "accounts/_run_begins.html",
            feedback=audience.feedback,
            note=audience.note,
            number=min(len(context.results) + 1, total),
            total=total,
            **audience.names,
        )
    )
    steps = run_checks(plugin.checks, context, provider=title)
    try:
        async for step in steps:
            yield _message(_step(request, step, context, total=total, names=audience.names))
    finally:
        await steps.aclose()
    outcome = Outcome({check.id: context.results[check.id] for check in plugin.checks})
    more = await audience.finish(outcome)
    yield _message(_end(request, outcome, audience.names) + more)


def _step(
    request: PortalRequest, step: Progress, context: CheckContext, *, total: int, names: Mapping[str, str]
) -> str:
    row = result_row(step.check, step.result) if step.result else checking_row(step.check)
    number = min(len(context.results) + 1, total)
    return render(request, "accounts/_run_step.html", row=row, number=number, total=total, **names)


def _end(request: PortalRequest, outcome: Outcome, names: Mapping[str, str]) -> str:
    tone, headline = headline_of(outcome.results)
    return render(request, "accounts/_run_ends.html", board=CheckBoard(headline, tone, ran=True), **names)


def _message(html: str) -> ServerSentEventMessage:
    return ServerSentEventMessage(data=html)
