"""Answers to a form with credentials: the form again, with what is in the way or what is asked."""

from __future__ import annotations

from litestar import Response

from portal.accounts import pages
from portal.accounts.allowances import TooManyRuns
from portal.accounts.attempts import Attempt, Purpose
from portal.accounts.switching import comparison_of
from portal.accounts.validations import Outcome
from portal.contract.descriptions import FieldFeedback
from portal.contract.plugin import Plugin
from portal.errors import PortalError
from portal.web.request import PortalRequest
from portal.web.responses import HTML

LOCKED = "Going live stays locked until every check is green. Mend what is not, then choose Validate again."


async def answer_save(
    request: PortalRequest,
    attempt: Attempt,
    outcome: Outcome | None,
    *,
    error: PortalError | None = None,
    locked: bool = False,
) -> Response[str]:
    """The form again: refused with reasons, or with the question about doubts."""
    problems = pages.problems_of(attempt, outcome)
    if error is not None:
        problems = [(pages.FORM_ID, f"{error.message} {error.hint}".strip())]
    elif locked:
        problems = [("checks-card", LOCKED), *problems]
    form = pages.answered_form(attempt, problems=problems)
    if outcome is not None and not outcome.failed and not locked:
        form = pages.with_question(form, pages.ask_again(attempt, outcome))
    status = 200 if form.confirm else error.status_code if error is not None else 422
    if request.by_htmx:
        return pages.form_fragments(request, attempt, form, outcome=outcome, status=status)
    return await show_form(request, attempt.plugin, form, outcome=outcome, status=status)


async def too_often(request: PortalRequest, attempt: Attempt, error: TooManyRuns) -> Response[str]:
    """A word above the checks; what was typed stays."""
    if request.by_htmx:
        html = pages.render(request, "accounts/_note.html", error=error)
        return Response(html, status_code=error.status_code, media_type=HTML)
    note = FieldFeedback("warn", f"{error.message} {error.hint}")
    form = pages.with_note(pages.answered_form(attempt), note)
    return await show_form(request, attempt.plugin, form, status=error.status_code)


async def show_form(
    request: PortalRequest,
    plugin: Plugin,
    form: pages.FormPage,
    *,
    outcome: Outcome | None = None,
    status: int = 200,
) -> Response[str]:
    """The whole page; when going live, with the comparison of both modes above the form."""
    comparison = None
    if form.purpose is Purpose.SWITCH and form.account is not None:
        comparison = await comparison_of(form.account.id, plugin, outcome)
    return pages.form_page(request, plugin, form, outcome=outcome, status=status, comparison=comparison)
