"""Finance settings."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post

from portal.audit.services import person_actor
from portal.errors import Conflict, InvalidInput
from portal.finance.choices import currency_choices, time_zone_choices
from portal.finance.rules import OrganisationForm, prefix_problem, read_terms
from portal.finance.services import Organisation, change_organisation, organisation, time_zones
from portal.money import is_currency
from portal.web.forms import Form, Problems, email_problem, feedback_on, read_form
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest, Role
from portal.web.responses import page, redirect

FIELDS = (
    "name",
    "contact_email",
    "address",
    "default_currency",
    "time_zone",
    "invoice_prefix",
    "terms_days",
    "version",
)
ADDRESS = "/settings/finance"


@get(ADDRESS, name="finance")
async def show_settings(request: PortalRequest) -> Response[str]:
    """The settings, as a form for those who may change them."""
    saved = await organisation()
    return _page(request, saved, {name: str(getattr(saved, name)) for name in FIELDS})


@post(ADDRESS)
async def save_settings(request: PortalRequest) -> Response[Any]:
    """Save, or show again what is to correct."""
    form = await read_form(request, *FIELDS)
    try:
        wanted = _read(form)
        await change_organisation(wanted, version=_version(form), actor=person_actor(request))
    except InvalidInput as problem:
        return _page(request, await organisation(), form.shown(), problems=problem.fields)
    except Conflict as stale:
        return _page(request, await organisation(), form.shown(), conflict=stale)
    return redirect(request, ADDRESS, notice="Finance settings saved. They apply to new invoices.")


def _page(
    request: PortalRequest,
    saved: Organisation,
    values: dict[str, str],
    *,
    problems: dict[str, str] | None = None,
    conflict: Conflict | None = None,
) -> Response[str]:
    return page(
        request,
        "finance/settings.html",
        status=409 if conflict else 422 if problems else 200,
        failed=bool(problems or conflict),
        saved=saved,
        values=values,
        problems=problems or {},
        conflict=conflict,
        feedback=feedback_on(problems or {}),
        currencies=currency_choices(),
        zones=time_zone_choices(),
        may_write=request.user.role.covers(Role.ADMIN),
    )


def _read(form: Form) -> OrganisationForm:
    problems = Problems()
    name = problems.need(form, "name", "Enter the name of your organisation.")
    terms = read_terms(form.text("terms_days"))
    problems.add("contact_email", email_problem(form.text("contact_email")))
    problems.add(
        "default_currency", None if is_currency(form.text("default_currency")) else "Choose a currency."
    )
    problems.add("time_zone", None if form.text("time_zone") in time_zones() else "Choose a time zone.")
    problems.add("invoice_prefix", prefix_problem(form.text("invoice_prefix")))
    problems.add("terms_days", terms if isinstance(terms, str) else None)
    problems.add("address", "Use at most 500 characters." if len(form.text("address")) > 500 else None)
    problems.raise_if_any()
    return OrganisationForm(
        name=name,
        contact_email=form.text("contact_email"),
        address=form.text("address").replace("\r\n", "\n"),
        default_currency=form.text("default_currency"),
        time_zone=form.text("time_zone"),
        invoice_prefix=form.text("invoice_prefix"),
        terms_days=terms if isinstance(terms, int) else 0,
    )


def _version(form: Form) -> int:
    text = form.text("version")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0


routes = [show_settings, save_settings]
nav = [NavEntry("Finance", ADDRESS, "coin", section="Settings", order=20)]
