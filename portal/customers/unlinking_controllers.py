"""The page that asks before a provider's customer is unlinked."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from portal.audit.services import person_actor
from portal.customers.unlinking import preview_unlink, unlink_customer
from portal.errors import Conflict
from portal.web.forms import read_form
from portal.web.guards import require_role
from portal.web.request import PortalRequest
from portal.web.responses import page, redirect


@get("/customers/{customer_id:int}/links/{link_id:int}/unlink", guards=[require_role("admin")])
async def ask_unlink(
    request: PortalRequest, customer_id: FromPath[int], link_id: FromPath[int]
) -> Response[Any]:
    """Both sides and what unlinking means; the customer where it is done."""
    return await _page(request, customer_id, link_id)


@post("/customers/{customer_id:int}/links/{link_id:int}/unlink")
async def unlink(request: PortalRequest, customer_id: FromPath[int], link_id: FromPath[int]) -> Response[Any]:
    """Unlink; a second press finds the work done."""
    await read_form(request)
    try:
        await unlink_customer(customer_id, link_id, actor=person_actor(request))
    except Conflict as error:
        return await _page(request, customer_id, link_id, conflict=error)
    return redirect(request, f"/customers/{customer_id}", notice="Unlinked.")


async def _page(
    request: PortalRequest, customer_id: int, link_id: int, *, conflict: Conflict | None = None
) -> Response[Any]:
    preview = await preview_unlink(customer_id, link_id)
    if preview.done:
        return redirect(request, f"/customers/{customer_id}", notice="They are not linked.", tone="warn")
    return page(
        request,
        "customers/unlink.html",
        status=409 if conflict else 200,
        failed=bool(conflict),
        preview=preview,
        conflict=conflict,
    )


routes = [ask_unlink, unlink]
