"""Finance settings that have a form of their own: the logo, tax rates, reminders."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from portal.audit.services import person_actor
from portal.errors import Conflict, InvalidInput, NotFound
from portal.finance.logos import MOST_BYTES, logo_png, remove_logo, save_logo
from portal.finance.pages import ADDRESS, REMINDER_FIELDS, Refused, settings_page
from portal.finance.rules import (
    LONGEST_LINES,
    ReminderForm,
    read_percent,
    read_reminder_days,
)
from portal.finance.services import change_organisation
from portal.finance.taxes import add_tax_rate, set_active
from portal.web.assets import FOR_EVER
from portal.web.forms import Form, Problems, read_form
from portal.web.request import PortalRequest
from portal.web.responses import redirect
from portal.web.uploads import read_upload

FORM_OVERHEAD = 16 * 1024


@post(f"{ADDRESS}/logo", request_max_body_size=MOST_BYTES + FORM_OVERHEAD)
async def change_logo(request: PortalRequest) -> Response[Any]:
    """Take a new picture."""
    try:
        await save_logo(await read_upload(request, "logo", MOST_BYTES), actor=person_actor(request))
    except InvalidInput as problem:
        return await settings_page(request, Refused({}, problem.fields))
    return redirect(request, f"{ADDRESS}#logo-card", notice="Logo saved.")


@post(f"{ADDRESS}/logo/remove")
async def drop_logo(request: PortalRequest) -> Response[bytes]:
    """Go back to the first letter of the name."""
    await read_form(request)
    await remove_logo(actor=person_actor(request))
    return redirect(request, f"{ADDRESS}#logo-card", notice="Logo removed.")


@post(f"{ADDRESS}/tax-rates")
async def add_rate(request: PortalRequest) -> Response[Any]:
    """Offer a new rate in invoices."""
    form = await read_form(request, "tax_name", "tax_percent")
    problems = Problems()
    name = problems.need(form, "tax_name", "Enter what the tax is called, for example VAT.", longest=40)
    percent = read_percent(form.text("tax_percent"))
    problems.add("tax_percent", percent if isinstance(percent, str) else None)
    try:
        problems.raise_if_any()
        assert not isinstance(percent, str)  # noqa: S101 - said to the type checker: it would have been raised
        await add_tax_rate(name, percent, actor=person_actor(request))
    except InvalidInput as problem:
        return await settings_page(request, Refused(form.shown(), problem.fields))
    return redirect(request, f"{ADDRESS}#tax-rates", notice=f"{name} can be chosen in invoices now.")


@post(f"{ADDRESS}/tax-rates/{{rate_id:int}}")
async def switch_rate(request: PortalRequest, rate_id: FromPath[int]) -> Response[bytes]:
    """Put a rate away, or offer it again."""
    form = await read_form(request, "active")
    await set_active(rate_id, active=form.checked("active"), actor=person_actor(request))
    return redirect(request, f"{ADDRESS}#tax-rates", notice="Tax rates saved. Invoices keep what they have.")


@post(f"{ADDRESS}/reminders")
async def save_reminders(request: PortalRequest) -> Response[Any]:
    """When customers are reminded, and what is added in the company's own words."""
    form = await read_form(request, *REMINDER_FIELDS)
    values = {"reminders_on": "", **form.shown()}
    try:
        wanted = _read_reminders(form)
        await change_organisation(wanted, version=form.whole("version"), actor=person_actor(request))
    except InvalidInput as problem:
        return await settings_page(request, Refused(values, problem.fields))
    except Conflict as stale:
        return await settings_page(request, Refused(values, conflict=stale))
    return redirect(request, f"{ADDRESS}#reminders", notice="Reminders saved.")


@get("/merchant/{digest:str}/logo.png", opt={"access": "static"}, name="merchant.logo")
async def show_logo(digest: FromPath[str]) -> Response[bytes]:
    """The logo as customers see it. Another picture has another address, so this one is kept for ever."""
    png = await logo_png(digest)
    if png is None:
        raise NotFound("There is no such picture.")
    headers = {"Cache-Control": FOR_EVER, "Content-Security-Policy": "default-src 'none'"}
    return Response(png, media_type="image/png", headers=headers)


def _read_reminders(form: Form) -> ReminderForm:
    problems = Problems()
    days = read_reminder_days(form.text("reminder_days"))
    note = form.text("reminder_note").replace("\r\n", "\n")
    problems.add("reminder_days", days if isinstance(days, str) else None)
    problems.add(
        "reminder_note", f"Use at most {LONGEST_LINES} characters." if len(note) > LONGEST_LINES else None
    )
    problems.raise_if_any()
    return ReminderForm(form.checked("reminders_on"), days if isinstance(days, tuple) else (), note)


routes = [change_logo, drop_logo, add_rate, switch_rate, save_reminders]
public_routes = [show_logo]
