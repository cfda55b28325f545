"""The pages of invoices: list, detail, and what a person does to one."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from portal.audit.services import person_actor
from portal.errors import Conflict
from portal.invoices import services
from portal.invoices.draft_controllers import routes as draft_routes
from portal.invoices.list_controllers import routes as list_routes
from portal.invoices.live_controllers import stream_invoice
from portal.invoices.views import invoice_context
from portal.web.forms import read_form
from portal.web.guards import require_role
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest
from portal.web.responses import page, redirect


@get("/invoices/{invoice_id:int}", name="invoice")
async def show_invoice(request: PortalRequest, invoice_id: FromPath[int]) -> Response[str]:
    """One invoice; it changes by itself while it is open."""
    context = await invoice_context(request, invoice_id)
    return page(request, "invoices/detail.html", live=f"/invoices/{invoice_id}/live", **context)


@post("/invoices/{invoice_id:int}/finalise")
async def finalise_invoice(request: PortalRequest, invoice_id: FromPath[int]) -> Response[bytes]:
    """Give it a number and a pay link. A second press says that it is done and shows the invoice."""
    await read_form(request)
    try:
        number = await services.finalise(invoice_id, actor=person_actor(request))
    except Conflict as error:
        return _sorry(request, invoice_id, error)
    return redirect(
        request, f"/invoices/{invoice_id}", notice=f"Finalised as {number}. Its pay link is ready."
    )


@get("/invoices/{invoice_id:int}/void", guards=[require_role("admin")])
async def ask_void(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """The question as a page of its own, for browsers without scripts."""
    context = await invoice_context(request, invoice_id)
    if not context["actions"].void:
        return redirect(
            request, f"/invoices/{invoice_id}", notice="This invoice cannot be voided now.", tone="warn"
        )
    return page(request, "invoices/void.html", problem="", **context)


@post("/invoices/{invoice_id:int}/void")
async def void_invoice(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """Declare it void once its number was typed."""
    form = await read_form(request, "confirmation")
    context = await invoice_context(request, invoice_id)
    number = context["invoice"].number or ""
    if context["actions"].void and form.text("confirmation").casefold() != number.casefold():
        problem = f"Type {number} to confirm."
        return page(request, "invoices/void.html", status=422, failed=True, problem=problem, **context)
    try:
        await services.void(invoice_id, actor=person_actor(request))
    except Conflict as error:
        return _sorry(request, invoice_id, error)
    return redirect(request, f"/invoices/{invoice_id}", notice=f"{number} is void.")


@post("/invoices/{invoice_id:int}/retry-sync")
async def retry_sync(request: PortalRequest, invoice_id: FromPath[int]) -> Response[bytes]:
    """Send again what the provider refused or did not hear."""
    await read_form(request)
    try:
        await services.retry_sync(invoice_id, actor=person_actor(request))
    except Conflict as error:
        return _sorry(request, invoice_id, error)
    return redirect(request, f"/invoices/{invoice_id}", notice="Trying again now.")


def _sorry(request: PortalRequest, invoice_id: int, error: Conflict) -> Response[bytes]:
    words = f"{error.message} {error.hint}".strip()
    return redirect(request, f"/invoices/{invoice_id}", notice=words, tone="warn")


routes = [
    *list_routes,
    show_invoice,
    stream_invoice,
    finalise_invoice,
    ask_void,
    void_invoice,
    retry_sync,
    *draft_routes,
]
nav = [NavEntry("Invoices", "/invoices", "file-invoice", order=20)]
