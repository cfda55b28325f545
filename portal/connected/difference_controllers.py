"""The page of what differs between the portal and a provider, and a person's choice about it."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from portal.accounts import pages as form_pages
from portal.accounts.controllers import plugin_of
from portal.audit.services import person_actor
from portal.contract.plugin import Plugin
from portal.errors import NotFound
from portal.exchange.choices import resolve
from portal.sync.differences import (
    DifferenceFilter,
    ValuesChanged,
    find_difference,
    list_differences,
    open_counts,
    settled_lately,
)
from portal.sync.options import shown
from portal.web.addresses import safe_path
from portal.web.forms import read_form
from portal.web.guards import require_role
from portal.web.keysets import START, Cursor, read_cursor
from portal.web.request import PerhapsRowId, PortalRequest, Role
from portal.web.responses import page, redirect

ADDRESS: Final = form_pages.BASE + "/{plugin_id:str}/differences"
KINDS: Final = (
    ("", "All"),
    ("invoice", "Invoices"),
    ("customer", "Customers"),
    ("subscription", "Subscriptions"),
    ("price", "Plans"),
    ("product", "Products"),
)
SETTLED_SHOWN: Final = 10


@get(ADDRESS)
async def show_differences(
    request: PortalRequest,
    *,
    plugin_id: FromPath[str],
    kind: FromQuery[str] = "",
    account: PerhapsRowId = None,
    page_at: FromQuery[str] = "",
) -> Response[str]:
    """What is open, with both values and the choice, and below what was settled lately."""
    plugin = plugin_of(request, plugin_id)
    known = {name for name, _ in KINDS}
    wanted = DifferenceFilter(plugin_id, account_id=account, subject_kind=kind if kind in known else "")
    return await _page(request, plugin, wanted, cursor=read_cursor(page_at))


@post(ADDRESS + "/{difference_id:int}", guards=[require_role("admin")])
async def choose(
    request: PortalRequest, *, plugin_id: FromPath[str], difference_id: FromPath[int]
) -> Response[Any]:
    """Settle one of them, once. Values that changed meanwhile are shown again, and nothing is done."""
    plugin = plugin_of(request, plugin_id)
    form = await read_form(request, "choice", "seen", "back")
    if (await find_difference(difference_id)).plugin != plugin_id:
        raise NotFound("There is no such difference.")
    try:
        done = await resolve(
            difference_id, form.text("choice"), seen=form.text("seen"), actor=person_actor(request)
        )
    except ValuesChanged as error:
        return await _page(request, plugin, DifferenceFilter(plugin_id), error=error)
    back = safe_path(form.text("back"), otherwise=form_pages.provider_url(plugin) + "/differences")
    return redirect(request, back, notice=done.result if done else "This was settled already.")


async def _page(
    request: PortalRequest,
    plugin: Plugin,
    wanted: DifferenceFilter,
    *,
    cursor: Cursor = START,
    error: ValuesChanged | None = None,
) -> Response[str]:
    found = await list_differences(wanted, cursor)
    settled = await settled_lately(wanted, size=SETTLED_SHOWN)
    return page(
        request,
        "connected/differences.html",
        fragment="connected/_differences.html",
        status=error.status_code if error else 200,
        failed=error is not None,
        plugin=plugin,
        url=form_pages.provider_url(plugin),
        wanted=wanted,
        kinds=KINDS,
        counts=await open_counts(wanted.account_id),
        found=found,
        shown=[shown(one) for one in found.rows],
        settled=settled,
        error=error,
        may_write=request.user.role.covers(Role.ADMIN),
    )


routes = [show_differences, choose]
