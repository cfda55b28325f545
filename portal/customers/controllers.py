"""The pages of customers: the list, one customer, and the form."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from portal.audit.services import person_actor
from portal.customers.deciding_controllers import routes as deciding_routes
from portal.customers.forms import FIELDS, CustomerInput, parse_input, read_input, stored_input
from portal.customers.lists import LinkState, list_customers, read_filter
from portal.customers.live_controllers import stream_customer
from portal.customers.services import create_customer, update_customer
from portal.customers.unlinking_controllers import routes as unlinking_routes
from portal.customers.views import customer_context, may_write, mode_of, read_customer
from portal.errors import Conflict, InvalidInput
from portal.web.addresses import safe_path
from portal.web.forms import feedback_on, read_form
from portal.web.guards import require_role
from portal.web.keysets import read_cursor
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest
from portal.web.responses import page, redirect
from portal.web.submissions import new_form_key, submit_once

FORM = "customers/form.html"
STATES: Final = (
    ("", "All customers"),
    (LinkState.LINKED.value, "Linked"),
    (LinkState.NOT_LINKED.value, "Not linked"),
    (LinkState.SEVERAL.value, "Several matches"),
    (LinkState.ERASED.value, "Erased"),
)


@get("/customers", name="customers")
async def show_list(
    request: PortalRequest, *, q: FromQuery[str] = "", link: FromQuery[str] = "", page_at: FromQuery[str] = ""
) -> Response[str]:
    """The list, or its table alone for htmx."""
    wanted = read_filter(q, link)
    return page(
        request,
        "customers/list.html",
        fragment="customers/_list_update.html",
        wanted=wanted,
        found=await list_customers(wanted, read_cursor(page_at), mode=mode_of(request)),
        states=STATES,
        may_write=may_write(request),
    )


@get("/customers/new", guards=[require_role("admin")])
async def show_new(request: PortalRequest, then: FromQuery[str] = "") -> Response[str]:
    """An empty form; `then` leads back to the page that needed a customer."""
    given = CustomerInput(form_key=new_form_key(), then=safe_path(then, otherwise=""))
    return _form(request, given, None)


@post("/customers/new")
async def save_new(request: PortalRequest) -> Response[Any]:
    """Add the customer once, however often the button is pressed."""
    given = read_input(await read_form(request, *FIELDS))
    actor = person_actor(request)
    try:
        profile = parse_input(given)
    except InvalidInput as error:
        return _form(request, given, None, problems=error.fields)
    customer_id, _ = await submit_once(
        f"{request.user.person_id}-{given.form_key}", lambda: create_customer(profile, actor=actor)
    )
    back = safe_path(given.then, otherwise="")
    target = f"{back}?{urlencode({'customer': customer_id})}" if back else f"/customers/{customer_id}"
    return redirect(request, target, notice=f"Added {profile.name}.")


@get("/customers/{customer_id:int}", name="customer")
async def show_customer(request: PortalRequest, customer_id: FromPath[int]) -> Response[Any]:
    """One customer; the address of one that was merged leads to the one that took over."""
    customer = await read_customer(request, customer_id)
    if customer.merged_into:
        return redirect(request, f"/customers/{customer.merged_into}")
    context = await customer_context(request, customer)
    return page(request, "customers/detail.html", live=f"/customers/{customer_id}/live", **context)


@get("/customers/{customer_id:int}/edit", guards=[require_role("admin")])
async def show_edit(request: PortalRequest, customer_id: FromPath[int]) -> Response[Any]:
    """The form with what is stored."""
    customer = await read_customer(request, customer_id)
    if customer.merged_into:
        return redirect(request, f"/customers/{customer.merged_into}/edit")
    if customer.erased_at:
        words = "The personal data of this customer were erased: nothing can be written about it any more."
        return redirect(request, f"/customers/{customer_id}", notice=words, tone="warn")
    return _form(request, stored_input(customer), customer_id)


@post("/customers/{customer_id:int}/edit")
async def save_edit(request: PortalRequest, customer_id: FromPath[int]) -> Response[Any]:
    """Save the changes, unless somebody else did meanwhile."""
    given = read_input(await read_form(request, *FIELDS))
    try:
        profile = parse_input(given)
    except InvalidInput as error:
        return _form(request, given, customer_id, problems=error.fields)
    try:
        await update_customer(customer_id, profile, version=given.version_at, actor=person_actor(request))
    except Conflict as error:
        return _form(request, given, customer_id, conflict=error)
    return redirect(request, f"/customers/{customer_id}", notice="Changes saved.")


def _form(
    request: PortalRequest,
    given: CustomerInput,
    customer_id: int | None,
    *,
    problems: dict[str, str] | None = None,
    conflict: Conflict | None = None,
) -> Response[str]:
    status = 409 if conflict else 422 if problems else 200
    return page(
        request,
        FORM,
        status=status,
        failed=status != 200,
        given=given,
        customer_id=customer_id,
        problems=problems or {},
        feedback=feedback_on(problems or {}),
        conflict=conflict,
    )


routes = [
    show_list,
    show_new,
    save_new,
    show_customer,
    show_edit,
    save_edit,
    stream_customer,
    *deciding_routes,
    *unlinking_routes,
]
nav = [NavEntry("Customers", "/customers", "users", order=40)]
