"""The sync of a connection: reading everything again, comparing, repairing, and how far that is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import ServerSentEvent, ServerSentEventMessage

from portal.accounts import forms
from portal.accounts import pages as form_pages
from portal.accounts.controllers import plugin_of
from portal.accounts.services import AccountSummary, connected_accounts, load_account
from portal.audit.services import person_actor
from portal.connected.pages import find_account
from portal.connected.sync_pages import progress_fragments, sync_page
from portal.connected.unsent import retry_task
from portal.contract.plugin import Plugin
from portal.errors import NotFound, PortalError
from portal.exchange.comparisons import repair_by_hand
from portal.exchange.progress import run_progress
from portal.exchange.reports import may_be_repaired
from portal.exchange.runs import (
    RANGES,
    Purpose,
    RunOrder,
    pause_run,
    range_start,
    resume_run,
    start_run,
    stop_run,
)
from portal.web.forms import Form, read_form
from portal.web.live import LiveHub
from portal.web.request import PortalRequest
from portal.web.responses import redirect

ADDRESS = form_pages.BASE + "/{plugin_id:str}/sync"
CHANGES = {"pause": pause_run, "resume": resume_run, "stop": stop_run}
UNDER_WAY = "A run is under way already. Only one runs at a time."


@get(ADDRESS)
async def show_sync(
    request: PortalRequest, plugin_id: FromPath[str], account: FromQuery[int | None] = None
) -> Response[str]:
    """The run that is under way, what differs, past runs, and the form for a new one."""
    plugin = plugin_of(request, plugin_id)
    return await sync_page(request, plugin, find_account(await connected_accounts(plugin_id), account))


@get(ADDRESS + "/progress")
async def show_progress(
    request: PortalRequest, plugin_id: FromPath[str], account: FromQuery[int | None] = None
) -> Response[str]:
    """The parts that change while a run works, for pages whose stream is held up on its way."""
    plugin = plugin_of(request, plugin_id)
    found = find_account(await connected_accounts(plugin_id), account)
    html = await progress_fragments(request, plugin, found)
    return Response(html, media_type="text/html", headers={"Cache-Control": "no-store"})


@get(ADDRESS + "/live", name="sync.live")
async def stream_progress(
    request: Request[Any, Any, Any], plugin_id: FromPath[str], account: FromQuery[int | None] = None
) -> ServerSentEvent:
    """The same whenever a run of the account says that something changed."""
    hub: LiveHub = request.app.state.live
    ours = PortalRequest(request.scope)
    plugin = plugin_of(ours, plugin_id)
    found = find_account(await connected_accounts(plugin_id), account)

    async def changes() -> AsyncIterator[ServerSentEventMessage]:
        async for changed in hub.changes(f"run:{found.id}", at_once=True):
            if changed:
                yield ServerSentEventMessage(data=await progress_fragments(ours, plugin, found))
            else:
                yield ServerSentEventMessage(comment="still here")

    return ServerSentEvent(changes())


@post(ADDRESS + "/start")
async def start(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Read everything of a range again. A second press finds the first one's run."""
    plugin, account, form = await _sent(request, plugin_id, "range", "kinds")
    chosen = form.text("range") if form.text("range") in RANGES else "30d"
    order = RunOrder(account.id, plugin, kinds=form.all("kinds"), since=range_start(chosen))
    return await _start(request, order)


@post(ADDRESS + "/compare")
async def compare(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Look for differences among what can still change; with `repair` mend what the provider decides."""
    plugin, account, form = await _sent(request, plugin_id, "repair")
    order = RunOrder(account.id, plugin, Purpose.COMPARISON, repairs=form.checked("repair"))
    return await _start(request, order)


@post(ADDRESS + "/change")
async def change(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Pause, resume or stop a run."""
    plugin, account, form = await _sent(request, plugin_id, "run", "to")
    url = form_pages.account_url(plugin, account.id, "/sync")
    act, number = CHANGES.get(form.text("to")), form.text("run")
    known = number.isascii() and number.isdecimal() and len(number) <= forms.LONGEST_NUMBER
    run = await run_progress(int(number), plugin) if known else None
    if act is None or run is None or run.account_id != account.id:
        raise NotFound("There is no such run.")
    try:
        await act(run.id, actor=person_actor(request))
    except PortalError as error:
        return redirect(request, url, notice=f"{error.message} {error.hint}".strip(), tone="warn")
    return redirect(request, url)


@post(ADDRESS + "/repair")
async def repair(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Take the provider's side of one object."""
    plugin, account, form = await _sent(request, plugin_id, "object")
    url, key = form_pages.account_url(plugin, account.id, "/sync"), form.text("object")
    if not await may_be_repaired(account.id, key):
        return redirect(request, url, notice="There is nothing left to repair there.")
    try:
        await repair_by_hand(await load_account(account.id), key, actor=person_actor(request))
    except PortalError as error:
        return redirect(request, url, notice=f"{error.message} {error.hint}".strip(), tone="bad")
    return redirect(request, url, notice="Repaired: both sides are the same again.")


@post(ADDRESS + "/retry")
async def retry(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Try a change again that the provider did not take."""
    plugin, account, form = await _sent(request, plugin_id, "task")
    number = form.text("task")
    known = number.isascii() and number.isdecimal() and len(number) <= forms.LONGEST_NUMBER
    await retry_task(account.id, int(number) if known else 0, actor=person_actor(request))
    url = form_pages.account_url(plugin, account.id, "/sync")
    return redirect(request, url, notice=f"It is sent to {plugin.manifest.title} again.")


async def _start(request: PortalRequest, order: RunOrder) -> Response[Any]:
    started = await start_run(order, actor=person_actor(request))
    url = form_pages.account_url(order.plugin, order.account_id, "/sync")
    if not started.fresh:
        return redirect(request, url, notice=UNDER_WAY, tone="warn")
    return redirect(request, url)


async def _sent(request: PortalRequest, plugin_id: str, *fields: str) -> tuple[Plugin, AccountSummary, Form]:
    plugin = plugin_of(request, plugin_id)
    form = await read_form(request, "account", *fields)
    return plugin, find_account(await connected_accounts(plugin_id), forms.account_number(form)), form


routes = [show_sync, show_progress, stream_progress, start, compare, change, repair, retry]
