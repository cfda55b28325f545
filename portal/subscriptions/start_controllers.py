"""The form that starts a subscription, and the page that waits until the provider has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from portal.audit.services import person_actor
from portal.contract.facts import Mode
from portal.customers.queries import customer_options
from portal.errors import InvalidInput
from portal.mail.servers import mail_ready
from portal.settings import current_settings
from portal.subscriptions.orders import find_order
from portal.subscriptions.start_forms import FIELDS, StartInput, input_of, parse_input, read_input
from portal.subscriptions.starts import plan_choices, request_start
from portal.web.forms import feedback_on, read_form
from portal.web.guards import require_role
from portal.web.request import PortalRequest, RowId
from portal.web.responses import page, redirect
from portal.web.submissions import KEY, UnknownForm, new_form_key, submit_once

NEW = "subscriptions/new.html"
ADMIN = [require_role("admin")]


@get("/subscriptions/new", guards=ADMIN)
async def show_new(
    request: PortalRequest,
    *,
    customer: FromQuery[str] = "",
    mode: FromQuery[str] = "",
    order: RowId = 0,
) -> Response[str]:
    """An empty form, one for a customer, or one with the values of an order that was refused."""
    given = StartInput(new_form_key(), mode, customer=customer)
    if order:
        given = input_of(await find_order(order), given.form_key)
    return await _form(request, given)


@post("/subscriptions/new")
async def save_new(request: PortalRequest) -> Response[Any]:
    """Ask the provider for it, once for a form, however often it is sent."""
    form = await read_form(request, *FIELDS)
    given = read_input(form)
    if form.text("do") == "customers":
        return await _form(request, given, fragment="invoices/_customers.html")
    if not KEY.fullmatch(given.form_key):
        raise UnknownForm("This form is too old to be sent.", hint="Load the page again and fill it in.")
    mode = _mode(request, given.mode) or Mode.TEST  # where nothing is connected no plan is sold
    try:
        wanted = parse_input(given)
        order_id, _ = await submit_once(
            f"{request.user.person_id}-start-{given.form_key}",
            lambda: request_start(wanted, mode, actor=person_actor(request)),
        )
    except InvalidInput as error:
        return await _form(request, given, problems=error.fields)
    return redirect(request, f"/subscriptions/orders/{order_id}")


@get("/subscriptions/orders/{order_id:int}", guards=ADMIN)
async def show_order(request: PortalRequest, order_id: FromPath[int]) -> Response[Any]:
    """What became of an order: it leads to the subscription as soon as there is one."""
    order = await find_order(order_id)
    if order.subscription_id is not None:
        path = f"/subscriptions/{order.subscription_id}"
        return redirect(request, path, notice=f"{order.provider} has started the subscription.")
    return page(request, "subscriptions/order.html", fragment="subscriptions/_order.html", order=order)


def _mode(request: PortalRequest, wanted: str) -> Mode | None:
    """Whose plans are offered: the mode that is shown, or the only one; None: nothing is connected."""
    found = request.shown_mode(wanted) or request.visit.mode
    return Mode(found) if found else None


async def _form(
    request: PortalRequest,
    given: StartInput,
    *,
    problems: dict[str, str] | None = None,
    fragment: str | None = None,
) -> Response[str]:
    shown = _mode(request, given.mode)
    chosen = int(given.customer) if given.customer.isdecimal() and len(given.customer) < 19 else None
    found = await customer_options(given.customer_search, chosen=chosen)
    if fragment and chosen is None and len(found) == 1:
        given = replace(given, customer=str(found[0][0]))
    return page(
        request,
        NEW,
        fragment=fragment,
        status=422 if problems else 200,
        failed=bool(problems),
        given=given,
        test=shown is Mode.TEST,
        customers=[(str(customer_id), words) for customer_id, words in found],
        plans=await plan_choices(shown),
        problems=problems or {},
        feedback=feedback_on(problems or {}),
        mail=mail_ready(current_settings()),
        connected=shown is not None,
        focus="",
    )


routes = [show_new, save_new, show_order]
