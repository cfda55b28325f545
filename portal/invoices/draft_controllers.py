"""The form of a draft: new, edit, its table of lines, its customer, its preview, and copies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.status_codes import HTTP_200_OK, HTTP_409_CONFLICT, HTTP_422_UNPROCESSABLE_ENTITY

from portal.audit.services import person_actor
from portal.customers.forms import CustomerInput
from portal.customers.forms import parse_input as parse_customer
from portal.customers.queries import customer_exists
from portal.customers.services import create_customer
from portal.errors import Conflict, InvalidInput
from portal.finance.services import organisation
from portal.invoices import services
from portal.invoices.details import find_invoice
from portal.invoices.disputes import TAKE, take_theirs
from portal.invoices.form_views import customers_for, dispute_on, form_context
from portal.invoices.forms import parse_input, typed_problems
from portal.invoices.inputs import (
    FIELDS,
    InvoiceInput,
    blank_input,
    read_input,
    stored_input,
    with_more_rows,
    with_one_row,
    without_row,
)
from portal.invoices.rules import InvoiceStatus
from portal.invoices.views import today_of
from portal.web.forms import read_form
from portal.web.guards import require_role
from portal.web.request import PortalRequest
from portal.web.responses import page, redirect
from portal.web.submissions import new_form_key, submit_once

FORM = "invoices/form.html"
LINES = "invoices/_lines_form.html"
SUMS = "invoices/_sums.html"
CUSTOMER = "invoices/_customer_update.html"
CUSTOMERS = "invoices/_customers.html"
REMOVE = "remove-"
SAVES = ("draft", "finalise", "send")


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that was sent: what was typed, which button was pressed, and the draft it edits, if any."""

    given: InvoiceInput
    wish: str
    invoice_id: int | None


@get("/invoices/new", guards=[require_role("admin")])
async def show_new(request: PortalRequest, customer: FromQuery[str] = "") -> Response[str]:
    """An empty form with the usual currency, terms and footer."""
    settings = await organisation()
    given = blank_input(
        settings.default_currency,
        settings.terms_days,
        customer=customer,
        footer=settings.footer,
        form_key=new_form_key(),
    )
    return await _form(request, Sent(given, "", None))


@post("/invoices/new")
async def save_new(request: PortalRequest) -> Response[Any]:
    """Store the draft once, however often the button is pressed; or change the form."""
    sent = await _read(request, None)
    if sent.wish not in SAVES:
        return await _changed(request, sent)
    actor = person_actor(request)
    try:
        draft = parse_input(sent.given, today_of(request))
        await _must_exist(draft.customer_id)
        invoice_id, _ = await submit_once(
            f"{request.user.person_id}-{sent.given.form_key}",
            lambda: services.create_draft(draft, actor=actor),
        )
    except InvalidInput as error:
        return await _form(request, sent, error.fields)
    return await _finish(request, invoice_id, sent.wish)


@get("/invoices/{invoice_id:int}/edit", guards=[require_role("admin")])
async def show_edit(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """The form of a draft; a finalised invoice is shown instead."""
    invoice = await find_invoice(invoice_id, today=today_of(request))
    if invoice.status is not InvoiceStatus.DRAFT:
        notice = "This invoice was finalised already. It can no longer be edited."
        return redirect(request, f"/invoices/{invoice_id}", notice=notice, tone="warn")
    return await _form(request, Sent(stored_input(invoice), "", invoice_id))


@post("/invoices/{invoice_id:int}/edit")
async def save_edit(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """Replace the draft, unless somebody else saved it meanwhile: then both are shown with a choice."""
    sent = await _read(request, invoice_id)
    if sent.wish not in SAVES:
        return await _changed(request, sent)
    version = int(sent.given.version) if sent.given.version.isdecimal() else 0
    try:
        draft = parse_input(sent.given, today_of(request))
        await _must_exist(draft.customer_id)
        await services.update_draft(invoice_id, draft, version=version, actor=person_actor(request))
    except InvalidInput as error:
        return await _form(request, sent, error.fields)
    except Conflict:
        disputed = replace(sent.given, disputed="1")
        return await _form(request, replace(sent, given=disputed), status=HTTP_409_CONFLICT)
    return await _finish(request, invoice_id, sent.wish)


@post("/invoices/{invoice_id:int}/duplicate")
async def duplicate_invoice(request: PortalRequest, invoice_id: FromPath[int]) -> Response[bytes]:
    """Copy it into a new draft once, however often the button is pressed, and open that."""
    form = await read_form(request, "form_key")
    today, actor = today_of(request), person_actor(request)
    try:
        copy_id, _ = await submit_once(
            f"{request.user.person_id}-{form.text('form_key')}",
            lambda: services.duplicate_invoice(invoice_id, today=today, actor=actor),
        )
    except Conflict as error:
        words = f"{error.message} {error.hint}".strip()
        return redirect(request, f"/invoices/{invoice_id}", notice=words, tone="warn")
    notice = "This draft is a copy. Check its due date, then save or finalise it."
    return redirect(request, f"/invoices/{copy_id}/edit", notice=notice)


async def _read(request: PortalRequest, invoice_id: int | None) -> Sent:
    form = await read_form(request, *FIELDS)
    given, wish = read_input(form), form.text("do")
    if wish == "enter":  # the Enter key, in whichever field
        wish = _meant_by_enter(given)
    return Sent(given, wish, invoice_id)


def _meant_by_enter(given: InvoiceInput) -> str:
    if given.new_name or given.new_email:
        return "add-customer"
    return "customers" if given.customer_search and not given.customer else "draft"


async def _changed(request: PortalRequest, sent: Sent) -> Response[str]:
    """Answer the buttons that change the form. No invoice is stored."""
    if sent.wish == "add-customer":
        return await _add_customer(request, sent)
    if sent.wish == "preview":
        return await _preview(request, sent)
    if sent.wish == "customers":
        return await _find_customers(request, sent)
    if sent.wish == "totals":
        typed = typed_problems(sent.given, today_of(request))
        return await _form(request, sent, typed, fragment=SUMS, status=HTTP_200_OK)
    if sent.wish.startswith(TAKE) and sent.invoice_id:
        _, theirs = await dispute_on(sent.given, sent.invoice_id, today_of(request))
        taken = take_theirs(sent.given, theirs, sent.wish.removeprefix(TAKE))
        return await _form(request, replace(sent, given=taken))
    given, focus = _with_rows(sent.given, sent.wish)
    return await _form(request, replace(sent, given=given), fragment=LINES, focus=focus)


def _with_rows(given: InvoiceInput, wish: str) -> tuple[InvoiceInput, str]:
    """The form with a row more or less, and the input that gets the focus."""
    if wish == "more":
        return with_more_rows(given), ""
    if wish == "add":
        given = with_one_row(given)
        return given, f"line-{len(given.lines) - 1}-description"
    if wish.startswith(REMOVE) and wish.removeprefix(REMOVE).isdecimal():
        position = int(wish.removeprefix(REMOVE)[:4])
        given = without_row(given, position)
        return given, f"line-{min(position, len(given.lines) - 1)}-description"
    return given, ""


async def _find_customers(request: PortalRequest, sent: Sent) -> Response[str]:
    """Narrow the choice down; a single hit is chosen when nobody is yet."""
    found = await customers_for(sent.given)
    if not sent.given.customer and len(found) == 1:
        sent = replace(sent, given=replace(sent.given, customer=found[0][0]))
    return await _form(request, sent, fragment=CUSTOMERS)


async def _add_customer(request: PortalRequest, sent: Sent) -> Response[str]:
    """Add the customer once, and choose them."""
    given, actor = sent.given, person_actor(request)
    try:
        profile = parse_customer(CustomerInput(name=given.new_name, email=given.new_email))
    except InvalidInput as error:
        wrong = {f"new_{name}": words for name, words in error.fields.items()}
        return await _form(request, sent, wrong, fragment=CUSTOMER)
    customer_id, _ = await submit_once(
        f"{request.user.person_id}-{given.new_key}", lambda: create_customer(profile, actor=actor)
    )
    chosen = replace(
        given, customer=str(customer_id), customer_search="", new_name="", new_email="", new_key=""
    )
    return await _form(
        request, replace(sent, given=chosen), fragment=CUSTOMER, focus="customer", added=profile.name
    )


async def _preview(request: PortalRequest, sent: Sent) -> Response[str]:
    """The invoice as the customer will see it, above the form that goes on."""
    try:
        draft = parse_input(sent.given, today_of(request))
        await _must_exist(draft.customer_id)
    except InvalidInput as error:
        return await _form(request, sent, error.fields)
    return await _form(request, sent, previewed=draft)


async def _form(
    request: PortalRequest,
    sent: Sent,
    problems: dict[str, str] | None = None,
    *,
    fragment: str | None = None,
    **extra: Any,
) -> Response[str]:
    """The form, or the part of it that htmx asked for. What was typed stays typed.

    `extra` may hold `status`, `focus` (id of an input), `previewed` and `added`.
    """
    today = today_of(request)
    given, dispute = sent.given, None
    if given.disputed and sent.invoice_id:
        dispute, theirs = await dispute_on(given, sent.invoice_id, today)
        given = replace(given, version=theirs.version, form_key=given.form_key or new_form_key())
    context = await form_context(given, sent.invoice_id, today, problems=problems)
    # While lines are typed nobody asks for the customers, of whom there may be very many.
    asked = fragment not in (SUMS, LINES) or not request.wants_fragment
    context["customers"] = await customers_for(given) if asked else []
    context |= {"dispute": dispute, "unsaved": bool(sent.wish), "focus": "", "previewed": None, "added": ""}
    context |= {"status": HTTP_422_UNPROCESSABLE_ENTITY if problems else HTTP_200_OK, **extra}
    failed = context["status"] != HTTP_200_OK
    return page(request, FORM, fragment=fragment, failed=failed, **context)


async def _finish(request: PortalRequest, invoice_id: int, wish: str) -> Response[bytes]:
    """Finalise when asked; a press that comes second finds the work done."""
    if wish == "draft":
        return redirect(request, f"/invoices/{invoice_id}", notice="Draft saved.")
    place = f"/invoices/{invoice_id}/send" if wish == "send" else f"/invoices/{invoice_id}"
    try:
        number = await services.finalise(invoice_id, actor=person_actor(request))
    except Conflict as error:
        words = f"{error.message} {error.hint}"
        return redirect(request, f"/invoices/{invoice_id}", notice=words, tone="warn")
    return redirect(request, place, notice=f"Finalised as {number}. Its pay link is ready.")


async def _must_exist(customer_id: int) -> None:
    if not await customer_exists(customer_id):
        raise InvalidInput({"customer": "Choose a customer."})


routes = [show_new, save_new, show_edit, save_edit, duplicate_invoice]
