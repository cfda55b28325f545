"""What a person decides about a customer as a whole: who it is, that two are one, that it is forgotten."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from portal.audit.services import person_actor
from portal.customers.erasing import erase_customer, preview_erasure
from portal.customers.linking import keep_apart, keep_twins_apart, link_customer
from portal.customers.merging import merge_customers, preview_merge
from portal.customers.queries import customer_options
from portal.customers.views import read_customer
from portal.errors import Conflict
from portal.web.forms import feedback_on, read_form
from portal.web.guards import require_role
from portal.web.request import PortalRequest, RowId
from portal.web.responses import page, redirect

SHORTEST_SEARCH = 2
LONGEST_SEARCH = 100
FOUND = 25


@post("/customers/{customer_id:int}/links/{link_id:int}")
async def decide_link(
    request: PortalRequest, customer_id: FromPath[int], link_id: FromPath[int]
) -> Response[Any]:
    """Link a provider's customer to this one, or say that it is somebody else."""
    form = await read_form(request, "decision")
    same = form.text("decision") == "link"
    place = f"/customers/{customer_id}"
    try:
        await (link_customer if same else keep_apart)(customer_id, link_id, actor=person_actor(request))
    except Conflict as error:
        return redirect(request, place, notice=f"{error.message} {error.hint}".strip(), tone="warn")
    return redirect(request, place, notice="Linked." if same else "Kept apart.")


@post("/customers/{customer_id:int}/apart")
async def decide_apart(request: PortalRequest, customer_id: FromPath[int]) -> Response[Any]:
    """Say that another customer with the same address is somebody else."""
    form = await read_form(request, "other")
    await keep_twins_apart(customer_id, form.whole("other"), actor=person_actor(request))
    return redirect(request, f"/customers/{customer_id}", notice="Kept apart.")


@get("/customers/{customer_id:int}/merge", guards=[require_role("admin")])
async def ask_merge(
    request: PortalRequest, customer_id: FromPath[int], *, other: RowId = 0, q: FromQuery[str] = ""
) -> Response[Any]:
    """Whom to merge this customer with; with `other` both sides and what will stand."""
    customer = await read_customer(request, customer_id)
    if customer.merged_into:
        return redirect(request, f"/customers/{customer.merged_into}")
    if other:
        return await _merge_page(request, customer_id, other)
    search = q.strip()[:LONGEST_SEARCH]
    found = (await customer_options(search))[:FOUND] if len(search) >= SHORTEST_SEARCH else []
    others = [(id_, name) for id_, name in found if id_ != customer_id]
    return page(request, "customers/merge_with.html", customer=customer, search=search, others=others)


@post("/customers/{customer_id:int}/merge")
async def merge(request: PortalRequest, customer_id: FromPath[int]) -> Response[Any]:
    """Merge once the name of the one that goes was typed."""
    form = await read_form(request, "other", "confirmation")
    other = form.whole("other")
    preview = await preview_merge(customer_id, other)
    if not preview.done:
        if form.text("confirmation").casefold() != preview.gone_name.casefold():
            return await _merge_page(
                request, customer_id, other, problem=f"Type {preview.gone_name} to confirm."
            )
        try:
            await merge_customers(customer_id, other, actor=person_actor(request))
        except Conflict as error:
            return await _merge_page(request, customer_id, other, conflict=error)
    notice = f"Merged. Everything of {preview.gone_name} is here now."
    return redirect(request, f"/customers/{customer_id}", notice=notice)


async def _merge_page(
    request: PortalRequest, kept: int, gone: int, *, problem: str = "", conflict: Conflict | None = None
) -> Response[str]:
    problems = {"confirmation": problem} if problem else {}
    return page(
        request,
        "customers/merge.html",
        status=422 if problem else 409 if conflict else 200,
        failed=bool(problem or conflict),
        preview=await preview_merge(kept, gone),
        problems=problems,
        feedback=feedback_on(problems),
        conflict=conflict,
    )


@get("/customers/{customer_id:int}/erase", guards=[require_role("admin")])
async def ask_erase(request: PortalRequest, customer_id: FromPath[int]) -> Response[Any]:
    """What goes and what stays."""
    customer = await read_customer(request, customer_id)
    if customer.merged_into:
        return redirect(request, f"/customers/{customer.merged_into}/erase")
    if customer.erased_at:
        return redirect(request, f"/customers/{customer_id}", notice="It is erased already.", tone="warn")
    return await _erase_page(request, customer_id)


@post("/customers/{customer_id:int}/erase")
async def erase(request: PortalRequest, customer_id: FromPath[int]) -> Response[Any]:
    """Erase once the name was typed; a second press finds the work done."""
    form = await read_form(request, "confirmation")
    customer = await read_customer(request, customer_id)
    if not customer.erased_at:
        if form.text("confirmation").casefold() != customer.name.casefold():
            return await _erase_page(request, customer_id, problem=f"Type {customer.name} to confirm.")
        try:
            await erase_customer(customer_id, actor=person_actor(request))
        except Conflict as error:
            return await _erase_page(request, customer_id, conflict=error)
    return redirect(request, f"/customers/{customer_id}", notice="The personal data were erased.")


async def _erase_page(
    request: PortalRequest, customer_id: int, *, problem: str = "", conflict: Conflict | None = None
) -> Response[str]:
    problems = {"confirmation": problem} if problem else {}
    return page(
        request,
        "customers/erase.html",
        status=422 if problem else 409 if conflict else 200,
        failed=bool(problem or conflict),
        preview=await preview_erasure(customer_id),
        problems=problems,
        feedback=feedback_on(problems),
        conflict=conflict,
    )


routes = [decide_link, decide_apart, ask_merge, merge, ask_erase, erase]
