"""Settings > Connected accounts: the list, the connect form and its live parts, the end of a connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import ServerSentEvent

from portal.accounts import forms, pages
from portal.accounts.allowances import RUNS_AND_SAVES, TooManyRuns, take_run
from portal.accounts.connected_pages import connected_page, disconnect_page, find_account
from portal.accounts.connections import NewConnection, same_credentials, save_connection
from portal.accounts.disconnections import disconnect
from portal.accounts.endpoints import pending_endpoint
from portal.accounts.rechecks import saved_context
from portal.accounts.services import connected_accounts, mark_ready
from portal.accounts.streams import stream_checks
from portal.accounts.validations import Outcome, run_to_end
from portal.accounts.views import STATES, cards
from portal.audit.services import person_actor
from portal.contract.plugin import FieldFeedback, LoadedPlugin, Plugin
from portal.errors import NotFound, PortalError
from portal.settings import current_settings
from portal.web.forms import read_form
from portal.web.guards import require_role
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest, Role
from portal.web.responses import HTML, page, redirect

nav = [NavEntry("Connected accounts", pages.BASE, "plug-connected", section="Settings", order=10)]
ADMIN = [require_role("admin")]
ONE_MORE = "yes"
EVENT_STREAM = "text/event-stream"


@get(pages.BASE)
async def list_accounts(request: PortalRequest) -> Response[str]:
    """A card for every provider, also those that are not connected or failed to load."""
    found = cards(_loaded(request), await connected_accounts())
    return page(request, "accounts/list.html", cards=found, may_write=_may_write(request), states=STATES)


@get(pages.BASE + "/{plugin_id:str}")
async def show_provider(
    request: PortalRequest,
    plugin_id: FromPath[str],
    account: FromQuery[int | None] = None,
    new: FromQuery[str] = "",
) -> Response[str]:
    """The connected page, or the connect form while there is no connection (or for one more)."""
    plugin = _plugin(request, plugin_id)
    connected = await connected_accounts(plugin_id)
    if connected and new != ONE_MORE:
        return await connected_page(request, plugin, connected, account)
    require_admin(request)
    return pages.form_page(request, plugin, await pages.empty_form(plugin))


@post(pages.BASE + "/{plugin_id:str}/check-field", status_code=200)
async def check_field(request: PortalRequest, plugin_id: FromPath[str]) -> Response[str]:
    """Words for one field while it is typed: no call to the provider, and nothing is kept."""
    plugin = _plugin(request, plugin_id)
    form = await read_form(request, *forms.form_fields(plugin))
    name, left = _edited_field(request, plugin, form.text(forms.FIELD))
    values = forms.typed_values(plugin, form)
    if left:
        held_back = forms.judge_leaving(plugin, values, name)
        return _field_answer(request, {name: held_back} if held_back else {})
    answers = forms.judge_typing(plugin, values, name)
    if answers[name].tone == "ok" and await same_credentials(plugin, {name: forms.trimmed(values)[name]}):
        answers[name] = FieldFeedback("warn", "This account is already connected here.")
    around = {"mode": plugin.describe_mode(values)}
    return _field_answer(request, answers, around=around, outdated=form.checked(forms.CHECKED))


@post(pages.BASE + "/{plugin_id:str}/validate", status_code=200)
async def validate(request: PortalRequest, plugin_id: FromPath[str]) -> Response[str] | ServerSentEvent:
    """Run the checks: row by row as a stream where scripts run, as a whole page where they do not."""
    plugin = _plugin(request, plugin_id)
    form = await read_form(request, *forms.form_fields(plugin), "account")
    if form.text("account"):
        return await _recheck(request, plugin, form.text("account"))
    attempt = await pages.read_attempt(plugin, form, person_id=request.user.person_id)
    try:
        await take_run(request.user.person_id)
    except TooManyRuns as error:
        return _too_often(request, attempt, error)
    if _wants_stream(request):
        return stream_checks(request, plugin, attempt.context, feedback=attempt.feedback)
    outcome = await run_to_end(plugin.checks, attempt.context, provider=plugin.manifest.title)
    filled = pages.answered_form(attempt, person_id=request.user.person_id)
    return pages.form_page(request, plugin, filled, outcome=outcome)


@post(pages.BASE + "/{plugin_id:str}/connect")
async def connect(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Check once more, then save: seal, write, note. Doubts are asked about first."""
    plugin = _plugin(request, plugin_id)
    form = await read_form(request, *forms.form_fields(plugin))
    attempt = await pages.read_attempt(plugin, form, person_id=request.user.person_id)
    if attempt.refused:
        return _answer_save(request, attempt, None)
    try:
        await take_run(request.user.person_id, limit=RUNS_AND_SAVES)
    except TooManyRuns as error:
        return _too_often(request, attempt, error)
    outcome = await run_to_end(plugin.checks, attempt.context, provider=plugin.manifest.title)
    agreed = not outcome.doubtful or form.raw(forms.ACCEPTED) == pages.agreement(attempt, outcome)
    if outcome.failed or not agreed:
        return _answer_save(request, attempt, outcome)
    return await _save(request, attempt)


@post(pages.BASE + "/{plugin_id:str}/use-sandbox", status_code=200)
async def use_sandbox(request: PortalRequest, plugin_id: FromPath[str]) -> Response[str]:
    """Fill the form with the local sandbox's keys. Nothing is saved."""
    plugin = _plugin(request, plugin_id)
    await read_form(request)
    settings = current_settings()
    empty = await pages.empty_form(plugin)
    if not empty.sandbox:
        raise NotFound("There is no sandbox here.")
    found = await plugin.sandbox_credentials(empty.endpoint_url, settings)
    if found is None:
        raise NotFound("There is no sandbox here.")
    filled = pages.filled_form(empty, plugin, found)
    note = FieldFeedback("ok", "The sandbox's keys are filled in. Nothing is saved until you choose Save.")
    return pages.form_page(request, plugin, pages.with_note(filled, note))


@get(pages.BASE + "/{plugin_id:str}/disconnect", guards=ADMIN)
async def ask_to_disconnect(
    request: PortalRequest, plugin_id: FromPath[str], account: FromQuery[int | None] = None
) -> Response[str]:
    """What disconnecting will do, and the phrase to type."""
    plugin = _plugin(request, plugin_id)
    found = find_account(await connected_accounts(plugin_id), account)
    return await disconnect_page(request, plugin, found)


@post(pages.BASE + "/{plugin_id:str}/disconnect")
async def end_connection(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Disconnect when the account's name was typed."""
    plugin = _plugin(request, plugin_id)
    form = await read_form(request, "account", "confirmation")
    number = form.text("account")
    found = find_account(await connected_accounts(plugin_id), int(number) if number.isdecimal() else None)
    if form.text("confirmation").casefold() != found.title.casefold():
        feedback = FieldFeedback("bad", f"Type {found.title} to confirm.")
        return await disconnect_page(request, plugin, found, feedback=feedback)
    title = plugin.manifest.title
    await disconnect(found.id, provider=title, actor=person_actor(request))
    notice = f"{title} disconnected. Its keys are erased, {found.title}'s history is kept."
    return redirect(request, pages.BASE, notice=notice)


async def _save(request: PortalRequest, attempt: pages.Attempt) -> Response[Any]:
    plugin = attempt.plugin
    try:
        identity = await plugin.identify(attempt.values, current_settings())
        endpoint = await pending_endpoint(plugin.manifest.id)
        new = NewConnection(plugin, attempt.values, identity, endpoint)
        account_id = await save_connection(new, actor=person_actor(request))
    except PortalError as error:
        return _answer_save(request, attempt, None, error=error)
    notice = f"{plugin.manifest.title} connected in {identity.mode} mode."
    return redirect(request, f"{pages.provider_url(plugin)}?account={account_id}", notice=notice)


def _answer_save(
    request: PortalRequest,
    attempt: pages.Attempt,
    outcome: Outcome | None,
    *,
    error: PortalError | None = None,
) -> Response[str]:
    """The form again: refused, or with the question about doubts."""
    problems = pages.problems_of(attempt, outcome)
    if error is not None:
        problems = [(pages.FORM_ID, f"{error.message} {error.hint}".strip())]
    form = pages.answered_form(attempt, person_id=request.user.person_id, problems=problems)
    if outcome is not None and not outcome.failed:
        form = pages.with_question(form, pages.ask_again(attempt, outcome))
    status = 200 if form.confirm else error.status_code if error is not None else 422
    if request.by_htmx:
        return pages.form_fragments(request, attempt, form, outcome=outcome, status=status)
    return pages.form_page(request, attempt.plugin, form, outcome=outcome, status=status)


async def _recheck(request: PortalRequest, plugin: Plugin, number: str) -> Response[str] | ServerSentEvent:
    """The checks of a saved connection, with its own credentials."""
    connected = await connected_accounts(plugin.manifest.id)
    found = find_account(connected, int(number) if number.isdecimal() else None)
    await take_run(request.user.person_id)
    context = await saved_context(found.id, plugin)
    if _wants_stream(request):
        return stream_checks(request, plugin, context, check_form="recheck")
    outcome = await run_to_end(plugin.checks, context, provider=plugin.manifest.title)
    if not outcome.failed:
        await mark_ready(found.id)
    return await connected_page(request, plugin, connected, found.id, outcome=outcome)


def _too_often(request: PortalRequest, attempt: pages.Attempt, error: TooManyRuns) -> Response[str]:
    if request.by_htmx:
        html = pages.render(request, "accounts/_note.html", error=error)
        return Response(html, status_code=error.status_code, media_type=HTML)
    form = pages.answered_form(attempt, person_id=request.user.person_id)
    note = FieldFeedback("warn", f"{error.message} {error.hint}")
    return pages.form_page(request, attempt.plugin, pages.with_note(form, note), status=error.status_code)


def _edited_field(request: PortalRequest, plugin: Plugin, named: str) -> tuple[str, bool]:
    """The field that asked, and whether the person is leaving it: then `left-<name>` asks."""
    source = named or request.source_id
    name = source.removeprefix("left-")
    if all(spec.name != name for spec in plugin.credentials):
        raise NotFound("There is no such field.")
    return name, source.startswith("left-")


def _field_answer(
    request: PortalRequest,
    answers: dict[str, FieldFeedback],
    *,
    around: dict[str, FieldFeedback | None] | None = None,
    outdated: bool = False,
) -> Response[str]:
    html = pages.render(
        request, "accounts/_field_answer.html", answers=answers, form=around, outdated=outdated
    )
    status = 200 if html.strip() else 204
    return Response(html.strip(), status_code=status, media_type=HTML, headers={"Vary": "HX-Request"})


def _wants_stream(request: PortalRequest) -> bool:
    return request.by_htmx or EVENT_STREAM in request.headers.get("accept", "")


def require_admin(request: PortalRequest) -> None:
    """The form is for those who may send it.

    Raises:
        Forbidden: the person may only read.
    """
    for guard in ADMIN:
        guard(request, request.route_handler)


def _may_write(request: PortalRequest) -> bool:
    return request.user.role.covers(Role.ADMIN)


def _loaded(request: PortalRequest) -> Sequence[LoadedPlugin]:
    return tuple(request.app.state.plugins)


def _plugin(request: PortalRequest, plugin_id: str) -> Plugin:
    for entry in _loaded(request):
        if entry.plugin and entry.plugin.manifest.id == plugin_id:
            return entry.plugin
    raise NotFound("There is no such provider.", hint="Look at the list of connected accounts.")


routes = [
    list_accounts,
    show_provider,
    check_field,
    validate,
    connect,
    use_sandbox,
    ask_to_disconnect,
    end_connection,
]
