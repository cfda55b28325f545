"""The pages that ask before something is done to an invoice: whole, or as a dialog."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response
from litestar.status_codes import HTTP_200_OK, HTTP_422_UNPROCESSABLE_ENTITY

from portal.errors import Conflict, InvalidInput
from portal.invoices.action_forms import Clock
from portal.invoices.views import Subject, read_subject
from portal.web.forms import Form, feedback_on, read_form
from portal.web.request import PortalRequest
from portal.web.responses import page, redirect
from portal.web.submissions import KEY, UnknownForm, new_form_key, submit_once

PAGE = "invoices/actions/page.html"
DIALOG = "invoices/actions/dialog.html"
EFFECT = "invoices/actions/_effect.html"
KEY_FIELD = "form_key"


@dataclass(frozen=True, slots=True)
class Question:
    """A page that asks before it acts. `offered`: the field of `InvoiceActions` that allows it."""

    offered: str
    path: str
    """Of its own below the invoice's, such as `refund`."""
    title: str
    form: str
    """The template of its form."""
    fields: tuple[str, ...] = ()
    first_values: Callable[[Subject, Clock], dict[str, str]] = field(default=lambda _, __: {})
    """What the form holds before anybody typed."""


def clock_of(request: PortalRequest) -> Clock:
    """Now, where the organisation is."""
    return Clock(datetime.now(UTC), ZoneInfo(request.visit.time_zone))


async def ask(
    request: PortalRequest,
    invoice_id: int,
    question: Question,
    *,
    typed: Form | None = None,
    problems: dict[str, str] | None = None,
) -> Response[Any]:
    """The question with its form, filled with what was typed; the invoice when it does not apply."""
    subject = await read_subject(request, invoice_id)
    if not getattr(subject.actions, question.offered):
        return sorry(request, invoice_id, _not_now(subject))
    first = question.first_values(subject, clock_of(request))
    empty = dict.fromkeys(question.fields, "")
    given = {KEY_FIELD: new_form_key(), **empty, **first, **(typed.shown() if typed else {})}
    return page(
        request,
        PAGE,
        fragment=DIALOG,
        status=HTTP_422_UNPROCESSABLE_ENTITY if problems else HTTP_200_OK,
        failed=bool(problems),
        question=question,
        invoice=subject.invoice,
        around=subject.around,
        given=given,
        problems=problems or {},
        feedback=feedback_on(problems or {}),
        today=clock_of(request).today,
    )


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that was sent, with the question that it answers."""

    request: PortalRequest
    invoice_id: int
    question: Question
    form: Form


async def read_sent(request: PortalRequest, invoice_id: int, question: Question) -> Sent:
    """Read the form of a question."""
    return Sent(request, invoice_id, question, await read_form(request, KEY_FIELD, *question.fields))


async def act_once(
    sent: Sent, act: Callable[[Subject], Awaitable[int]], *, done: Callable[[int, Subject], str]
) -> Response[Any]:
    """Run `act` once for a form, however often it is sent, and show the invoice with the result.

    `done` makes the notice of what `act` returned, now or the first time.
    """
    request, invoice_id, question = sent.request, sent.invoice_id, sent.question
    subject = await read_subject(request, invoice_id)

    async def offered_act() -> int:
        if not getattr(subject.actions, question.offered):
            raise _not_now(subject)
        return await act(subject)

    form_key = sent.form.text(KEY_FIELD)
    if not KEY.fullmatch(form_key):
        raise UnknownForm("This form is too old to be sent.", hint="Load the page again and fill it in.")
    key = f"{request.user.person_id}-{question.path}-{form_key}"
    try:
        answer, _ = await submit_once(key, offered_act)
    except InvalidInput as error:
        return await ask(request, invoice_id, question, typed=sent.form, problems=error.fields)
    except Conflict as error:
        return sorry(request, invoice_id, error)
    return redirect(request, f"/invoices/{invoice_id}", notice=done(answer, subject))


def sorry(request: PortalRequest, invoice_id: int, error: Conflict) -> Response[bytes]:
    """Back to the invoice with the reason why it was not done."""
    words = f"{error.message} {error.hint}".strip()
    return redirect(request, f"/invoices/{invoice_id}", notice=words, tone="warn")


def _not_now(subject: Subject) -> Conflict:
    return Conflict("This is not possible now.", hint=" ".join(subject.actions.absent))
