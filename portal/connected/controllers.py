"""A saved connection: its page, checking it again, mending it at the provider, ending it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import ServerSentEvent

from portal.accounts import forms
from portal.accounts import pages as form_pages
from portal.accounts.allowances import RUNS, RUNS_AND_SAVES, take_run
from portal.accounts.check_runs import fingerprint_of, last_run, subject_of_account
from portal.accounts.controllers import plugin_of, wants_stream
from portal.accounts.disconnections import disconnect
from portal.accounts.rechecks import note_outcome, saved_context
from portal.accounts.repairs import repair_account
from portal.accounts.services import AccountSummary, connected_accounts, load_account
from portal.accounts.streams import Audience, stream_checks
from portal.accounts.validations import Outcome, run_to_end
from portal.audit.services import person_actor
from portal.connected.pages import RECHECK_FORM, connected_page, disconnect_page, find_account
from portal.contract.checks import CheckResult
from portal.contract.descriptions import FieldFeedback
from portal.contract.plugin import Plugin
from portal.errors import PortalError
from portal.web.forms import Form, read_form
from portal.web.guards import require_role
from portal.web.request import PortalRequest
from portal.web.responses import redirect

ADMIN = [require_role("admin")]
ONE_MORE = "yes"
ADDRESS = form_pages.BASE + "/{plugin_id:str}"


@get(ADDRESS)
async def show_provider(
    request: PortalRequest,
    plugin_id: FromPath[str],
    account: FromQuery[int | None] = None,
    new: FromQuery[str] = "",
) -> Response[str]:
    """The connected page, or the connect form while there is no connection (or for one more)."""
    plugin = plugin_of(request, plugin_id)
    connected = await connected_accounts(plugin_id)
    if connected and new != ONE_MORE:
        return await connected_page(request, plugin, connected, account)
    require_admin(request)
    return form_pages.form_page(request, plugin, await form_pages.empty_form(plugin))


@post(ADDRESS + "/recheck", status_code=200)
async def recheck(request: PortalRequest, plugin_id: FromPath[str]) -> Response[str] | ServerSentEvent:
    """The checks of a saved connection with its own credentials: all, or one of them again."""
    plugin, account, form = await _saved(request, plugin_id, "only", "checked")
    only = form.text("only")
    await take_run(request.user.person_id, limit=RUNS_AND_SAVES if only else RUNS)
    known = await _rest_of_run(plugin, account, only) if only else {}
    return await _run(request, plugin, account, known=known)


@post(ADDRESS + "/mend", status_code=200)
async def mend(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any] | ServerSentEvent:
    """Mend something at the provider with the saved credentials, then check what it bears on."""
    plugin, account, form = await _saved(request, plugin_id, "repair", "checked")
    await take_run(request.user.person_id, limit=RUNS_AND_SAVES)
    context = await saved_context(account.id, plugin)
    try:
        done = await repair_account(
            plugin, context, form.text("repair"), mode=account.mode, actor=person_actor(request)
        )
    except PortalError as error:
        if not wants_stream(request):
            connected = await connected_accounts(plugin_id)
            return await connected_page(request, plugin, connected, account.id, error=error)
        html = form_pages.render(request, "accounts/_note.html", error=error)
        return Response(html, status_code=error.status_code, media_type="text/html")
    if not wants_stream(request):
        return redirect(request, form_pages.account_url(plugin, account.id), notice=done.message)
    run = await last_run(subject_of_account(account.id))
    known = run.passed() if run else {}
    if done.credentials:
        known.pop(plugin.test_event_check, None)
    return await _run(request, plugin, account, known=known, note=done.message)


@get(ADDRESS + "/disconnect", guards=ADMIN)
async def ask_to_disconnect(
    request: PortalRequest, plugin_id: FromPath[str], account: FromQuery[int | None] = None
) -> Response[str]:
    """What disconnecting will do, and the phrase to type."""
    plugin = plugin_of(request, plugin_id)
    found = find_account(await connected_accounts(plugin_id), account)
    return await disconnect_page(request, plugin, found)


@post(ADDRESS + "/disconnect")
async def end_connection(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Disconnect when the account's name was typed."""
    plugin, account, form = await _saved(request, plugin_id, "confirmation", "remove_endpoint")
    remove = form.checked("remove_endpoint")
    if form.text("confirmation").casefold() != account.title.casefold():
        feedback = FieldFeedback("bad", f"Type {account.title} to confirm.")
        return await disconnect_page(request, plugin, account, feedback=feedback, remove_endpoint=remove)
    ended = await disconnect(account.id, plugin, actor=person_actor(request), remove_endpoint=remove)
    return redirect(request, form_pages.BASE, notice=ended.words, tone="ok" if ended.whole else "warn")


async def _saved(request: PortalRequest, plugin_id: str, *fields: str) -> tuple[Plugin, AccountSummary, Form]:
    plugin = plugin_of(request, plugin_id)
    form = await read_form(request, "account", *fields)
    accounts = await connected_accounts(plugin_id)
    return plugin, find_account(accounts, forms.account_number(form)), form


async def _rest_of_run(plugin: Plugin, account: AccountSummary, only: str) -> Mapping[str, CheckResult]:
    """What stands when one check is repeated: nothing, when other credentials were checked the last time."""
    credentials = (await load_account(account.id)).credentials
    run = await last_run(subject_of_account(account.id), fingerprint_of(credentials))
    return run.all_but(only, plugin.checks) if run else {}


async def _run(
    request: PortalRequest,
    plugin: Plugin,
    account: AccountSummary,
    *,
    known: Mapping[str, CheckResult],
    note: str = "",
) -> Response[str] | ServerSentEvent:
    """Run the checks that are not known."""
    context = await saved_context(account.id, plugin)
    context.results.update(known)

    async def finish(outcome: Outcome) -> str:
        await note_outcome(account.id, plugin, context, outcome)
        return ""

    if wants_stream(request):
        names = form_pages.check_context(plugin, RECHECK_FORM, "recheck", "mend")
        return stream_checks(request, plugin, context, Audience(names, finish, note=note))
    await finish(await run_to_end(plugin.checks, context, provider=plugin.manifest.title))
    return await connected_page(request, plugin, await connected_accounts(plugin.manifest.id), account.id)


def require_admin(request: PortalRequest) -> None:
    """The form is for those who may send it.

    Raises:
        Forbidden: the person may only read.
    """
    for guard in ADMIN:
        guard(request, request.route_handler)


routes = [show_provider, recheck, mend, ask_to_disconnect, end_connection]
