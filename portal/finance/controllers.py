"""Finance settings: who sends the invoices and how they are numbered."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post

from portal.audit.services import person_actor
from portal.errors import Conflict, InvalidInput
from portal.finance import cards
from portal.finance.pages import ADDRESS, FIELDS, Refused, settings_page
from portal.finance.rules import (
    LONGEST_LINES,
    LONGEST_LINK,
    OrganisationForm,
    prefix_problem,
    read_next_number,
    read_terms,
    read_whole,
    too_long,
)
from portal.finance.services import change_organisation, organisation, time_zones
from portal.mail.letters import can_be_written_to
from portal.money import is_currency
from portal.web.forms import Form, Problems, email_problem, read_form
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest
from portal.web.responses import redirect

LONGEST_TAX_ID = 60
LINES = ("address", "bank_details", "footer")


@get(ADDRESS, name="finance")
async def show_settings(request: PortalRequest) -> Response[str]:
    """The settings, as forms for those who may change them."""
    return await settings_page(request)


@post(ADDRESS)
async def save_settings(request: PortalRequest) -> Response[Any]:
    """Save, or show again what is to correct."""
    form = await read_form(request, *FIELDS)
    try:
        wanted = _read(form, (await organisation()).next_invoice_number)
        await change_organisation(wanted, version=form.whole("version"), actor=person_actor(request))
    except InvalidInput as problem:
        return await settings_page(request, Refused(form.shown(), problem.fields))
    except Conflict as stale:
        return await settings_page(request, Refused(form.shown(), conflict=stale))
    return redirect(request, ADDRESS, notice="Finance settings saved. They apply to new invoices.")


def _read(form: Form, next_number: int) -> OrganisationForm:
    problems = Problems()
    name = problems.need(form, "name", "Enter the name of your organisation.")
    problems.add("contact_email", email_problem(form.text("contact_email")) or _unwritable(form))
    problems.add(
        "default_currency", None if is_currency(form.text("default_currency")) else "Choose a currency."
    )
    problems.add("time_zone", None if form.text("time_zone") in time_zones() else "Choose a time zone.")
    problems.add("invoice_prefix", prefix_problem(form.text("invoice_prefix")))
    for field in LINES:
        problems.add(field, too_long(form.text(field), LONGEST_LINES))
    problems.add("tax_id", too_long(form.text("tax_id"), LONGEST_TAX_ID))
    number, terms, link = _numbers(form, problems, next_number)
    problems.raise_if_any()
    return OrganisationForm(
        name=name,
        contact_email=form.text("contact_email"),
        **{each: form.text(each).replace("\r\n", "\n") for each in LINES},
        tax_id=form.text("tax_id"),
        default_currency=form.text("default_currency"),
        time_zone=form.text("time_zone"),
        invoice_prefix=form.text("invoice_prefix"),
        next_invoice_number=number,
        terms_days=terms,
        pay_link_days=link,
    )


def _unwritable(form: Form) -> str | None:
    if can_be_written_to(form.text("contact_email")):
        return None
    return "Enter an address that every mail server takes, without accents before the @: replies go to it."


def _numbers(form: Form, problems: Problems, next_number: int) -> tuple[int | None, int, int]:
    """The next number (None: left alone), days to pay, and days that a pay link works."""
    typed, number = form.text("next_invoice_number"), None
    if typed != form.text("number_shown"):
        number = _or_problem(problems, "next_invoice_number", read_next_number(typed, next_number))
    terms = _or_problem(problems, "terms_days", read_terms(form.text("terms_days")))
    link = read_whole(form.text("pay_link_days"), 1, LONGEST_LINK, "days")
    return number, terms, _or_problem(problems, "pay_link_days", link)


def _or_problem(problems: Problems, name: str, read: int | str) -> int:
    if isinstance(read, int):
        return read
    problems.add(name, read)
    return 0


routes = [show_settings, save_settings, *cards.routes]
public_routes = cards.public_routes
nav = [NavEntry("Finance", ADDRESS, "coin", section="Settings", order=20)]
