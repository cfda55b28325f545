"""The form of a draft: new, edit, and its table of lines."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from portal.audit.services import person_actor
from portal.customers.queries import customer_exists, customer_options
from portal.errors import Conflict, InvalidInput
from portal.finance.services import organisation
from portal.invoices import services
from portal.invoices.details import find_invoice
from portal.invoices.forms import (
    CURRENCIES,
    FIELDS,
    InvoiceInput,
    blank_input,
    default_due,
    parse_input,
    preview,
    read_input,
    stored_input,
    with_more_rows,
    with_one_row,
    without_row,
)
from portal.invoices.rules import InvoiceStatus
from portal.invoices.views import today_of
from portal.web.forms import feedback_on, read_form
from portal.web.guards import require_role
from portal.web.request import PortalRequest
from portal.web.responses import page, redirect
from portal.web.submissions import new_form_key, submit_once

FORM = "invoices/form.html"
LINES = "invoices/_lines_form.html"
SUMS = "invoices/_sums.html"
REMOVE = "remove-"


@get("/invoices/new", guards=[require_role("admin")])
async def show_new(request: PortalRequest, customer: FromQuery[str] = "") -> Response[str]:
    """An empty form, due after the usual terms."""
    settings = await organisation()
    due = default_due(today_of(request), settings.terms_days)
    given = blank_input(settings.default_currency, due, customer=customer, form_key=new_form_key())
    return await _form(request, given, None)


@post("/invoices/new")
async def save_new(request: PortalRequest) -> Response[Any]:
    """Store the draft once, however often the button is pressed; or change the table of lines."""
    sent = await read_form(request, *FIELDS)
    given, wish = read_input(sent), sent.text("do")
    if changed := await _change_lines(request, given, wish, None):
        return changed
    actor = person_actor(request)
    try:
        draft = parse_input(given)
        await _must_exist(draft.customer_id)
        invoice_id, _ = await submit_once(
            f"{request.user.person_id}-{given.form_key}", lambda: services.create_draft(draft, actor=actor)
        )
    except InvalidInput as error:
        return await _form(request, given, None, error.fields)
    return await _finish(request, invoice_id, wish)


@get("/invoices/{invoice_id:int}/edit", guards=[require_role("admin")])
async def show_edit(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """The form of a draft; a finalised invoice is shown instead."""
    invoice = await find_invoice(invoice_id, today=today_of(request))
    if invoice.status is not InvoiceStatus.DRAFT:
        notice = "This invoice was finalised already. It can no longer be edited."
        return redirect(request, f"/invoices/{invoice_id}", notice=notice, tone="warn")
    return await _form(request, stored_input(invoice), invoice_id)


@post("/invoices/{invoice_id:int}/edit")
async def save_edit(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """Replace the draft, unless somebody else saved it meanwhile."""
    sent = await read_form(request, *FIELDS)
    given, wish = read_input(sent), sent.text("do")
    if changed := await _change_lines(request, given, wish, invoice_id):
        return changed
    try:
        draft = parse_input(given)
        await _must_exist(draft.customer_id)
    except InvalidInput as error:
        return await _form(request, given, invoice_id, error.fields)
    version = int(given.version) if given.version.isdecimal() else 0
    try:
        await services.update_draft(invoice_id, draft, version=version, actor=person_actor(request))
    except Conflict as error:
        return await _form(request, given, invoice_id, conflict=error)
    return await _finish(request, invoice_id, wish)


async def _change_lines(
    request: PortalRequest, given: InvoiceInput, wish: str, invoice_id: int | None
) -> Response[str] | None:
    """Answer the buttons of the table: nothing is stored. None: the form is to be saved."""
    fragment, focus = LINES, ""
    if wish == "totals":
        fragment = SUMS
    elif wish == "more":
        given = with_more_rows(given)
    elif wish == "add":
        given = with_one_row(given)
        focus = f"line-{len(given.lines) - 1}-description"
    elif wish.startswith(REMOVE) and wish.removeprefix(REMOVE).isdecimal():
        position = int(wish.removeprefix(REMOVE))
        given = without_row(given, position)
        focus = f"line-{min(position, len(given.lines) - 1)}-description"
    else:
        return None
    context = await _context(given, invoice_id)
    return page(request, FORM, fragment=fragment, focus=focus, **context)


async def _form(
    request: PortalRequest,
    given: InvoiceInput,
    invoice_id: int | None,
    problems: dict[str, str] | None = None,
    *,
    conflict: Conflict | None = None,
) -> Response[str]:
    status = 409 if conflict else 422 if problems else 200
    context = await _context(given, invoice_id, problems, conflict=conflict)
    return page(request, FORM, status=status, failed=status != 200, focus="", **context)


async def _context(
    given: InvoiceInput,
    invoice_id: int | None,
    problems: dict[str, str] | None = None,
    *,
    conflict: Conflict | None = None,
) -> dict[str, Any]:
    chosen = int(given.customer) if given.customer.isdecimal() and len(given.customer) < 19 else None
    return {
        "given": given,
        "invoice_id": invoice_id,
        "action": f"/invoices/{invoice_id}/edit" if invoice_id else "/invoices/new",
        "problems": problems or {},
        "feedback": feedback_on(problems or {}),
        "conflict": conflict,
        "preview": preview(given),
        "customers": await customer_options(chosen=chosen),
        "currencies": tuple(dict.fromkeys((given.currency, *CURRENCIES))),
    }


async def _finish(request: PortalRequest, invoice_id: int, wish: str) -> Response[bytes]:
    """Finalise when asked; a press that comes second finds the work done."""
    notice = "Draft saved."
    if wish == "finalise":
        try:
            number = await services.finalise(invoice_id, actor=person_actor(request))
        except Conflict as error:
            return redirect(
                request, f"/invoices/{invoice_id}", notice=f"{error.message} {error.hint}", tone="warn"
            )
        notice = f"Finalised as {number}. Its pay link is ready."
    return redirect(request, f"/invoices/{invoice_id}", notice=notice)


async def _must_exist(customer_id: int) -> None:
    if not await customer_exists(customer_id):
        raise InvalidInput({"customer": "Choose a customer."})


routes = [show_new, save_new, show_edit, save_edit]
