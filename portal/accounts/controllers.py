"""Settings > Connected accounts: the list, and the form with its feedback, checks, repairs and Save."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import ServerSentEvent

from portal.accounts import forms, pages
from portal.accounts.allowances import RUNS, RUNS_AND_SAVES, TooManyRuns, take_run
from portal.accounts.answers import answer_save, show_form, too_often
from portal.accounts.attempts import Attempt, Purpose, read_attempt
from portal.accounts.check_runs import last_run, remember_run
from portal.accounts.connections import NewConnection, same_credentials, save_connection
from portal.accounts.endpoints import endpoint_at
from portal.accounts.repairs import repair_for_form
from portal.accounts.services import connected_accounts
from portal.accounts.streams import Audience, stream_checks
from portal.accounts.switching import comparison_of
from portal.accounts.validations import Outcome, run_to_end
from portal.accounts.views import STATES, cards
from portal.audit.services import person_actor
from portal.contract.descriptions import FieldFeedback
from portal.contract.facts import Mode
from portal.contract.plugin import LoadedPlugin, Plugin
from portal.errors import NotFound, PortalError
from portal.settings import current_settings
from portal.web.forms import Form, read_form
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest, Role
from portal.web.responses import HTML, page, redirect

nav = [NavEntry("Connected accounts", pages.BASE, "plug-connected", section="Settings", order=10)]
EVENT_STREAM = "text/event-stream"
NOT_LIVE = PortalError("These are test keys.", hint="Enter live keys to go live.", code="NOT_LIVE")


@get(pages.BASE)
async def list_accounts(request: PortalRequest) -> Response[str]:
    """A card for every provider, also those that are not connected or failed to load."""
    found = cards(loaded_plugins(request), await connected_accounts())
    may_write = request.user.role.covers(Role.ADMIN)
    return page(request, "accounts/list.html", cards=found, may_write=may_write, states=STATES)


@post(pages.BASE + "/{plugin_id:str}/check-field", status_code=200)
async def check_field(request: PortalRequest, plugin_id: FromPath[str]) -> Response[str]:
    """Words for one field while it is typed: no call to the provider, and nothing is kept."""
    plugin = plugin_of(request, plugin_id)
    form = await read_form(request, *forms.form_fields(plugin))
    name, left = _edited_field(request, plugin, form.text(forms.FIELD))
    values = forms.typed_values(plugin, form)
    if left:
        held_back = forms.judge_leaving(plugin, values, name)
        return _field_answer(request, {name: held_back} if held_back else {})
    answers = forms.judge_typing(plugin, values, name)
    if answers[name].tone == "ok" and await same_credentials(plugin, {name: forms.trimmed(values)[name]}):
        answers[name] = FieldFeedback("warn", "This account is already connected here.")
    locked = form.text(forms.PURPOSE) == Purpose.SWITCH
    around = {"mode": plugin.describe_mode(values), "locked": locked}
    return _field_answer(request, answers, around=around, outdated=form.checked(forms.CHECKED))


@post(pages.BASE + "/{plugin_id:str}/validate", status_code=200)
async def validate(request: PortalRequest, plugin_id: FromPath[str]) -> Response[str] | ServerSentEvent:
    """Run the checks, or one of them again: a stream where scripts run, a whole page where they do not."""
    attempt, form = await _attempt(request, plugin_id)
    only = form.text(forms.ONLY)
    try:
        await take_run(request.user.person_id, limit=RUNS_AND_SAVES if only else RUNS)
    except TooManyRuns as error:
        return await too_often(request, attempt, error)
    if only:
        await _stand_by_the_rest(attempt, only)
    return await _run(request, attempt)


@post(pages.BASE + "/{plugin_id:str}/repair", status_code=200)
async def repair(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any] | ServerSentEvent:
    """Mend something at the provider with the keys in the form, then check what it bears on."""
    attempt, form = await _new_attempt(request, plugin_id)
    keys = forms.keys_of(attempt.plugin, attempt.values)
    if forms.refused({name: attempt.feedback[name] for name in keys}):
        return await answer_save(request, attempt, None)
    try:
        await take_run(request.user.person_id, limit=RUNS_AND_SAVES)
        typed = forms.with_kept(attempt.plugin, form, person_id=attempt.person_id)
        name = form.text(forms.REPAIR)
        done = await repair_for_form(attempt, name, typed=typed, actor=person_actor(request))
    except TooManyRuns as error:
        return await too_often(request, attempt, error)
    except PortalError as error:
        return await answer_save(request, attempt, None, error=error)
    mended = await read_attempt(attempt.plugin, form, person_id=request.user.person_id)
    await _stand_by_the_rest(mended, "", of=attempt)
    if done.credentials:
        mended.context.results.pop(attempt.plugin.test_event_check, None)
    return await _run(request, mended, note=done.message)


@post(pages.BASE + "/{plugin_id:str}/connect")
async def connect(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Check what was not passed for these exact values, then save. Doubts are asked about first."""
    attempt, form = await _new_attempt(request, plugin_id)
    if attempt.refused:
        return await answer_save(request, attempt, None)
    try:
        outcome = await checked_for_save(attempt, person_id=request.user.person_id)
    except TooManyRuns as error:
        return await too_often(request, attempt, error)
    if attempt.purpose is Purpose.SWITCH and not outcome.green:
        return await answer_save(request, attempt, outcome, locked=True)
    if outcome.failed or not agreed(attempt, outcome, form):
        return await answer_save(request, attempt, outcome)
    return await _save(request, attempt, outcome)


@post(pages.BASE + "/{plugin_id:str}/use-sandbox", status_code=200)
async def use_sandbox(request: PortalRequest, plugin_id: FromPath[str]) -> Response[str]:
    """Fill the form with the local sandbox's keys. Nothing is saved."""
    plugin = plugin_of(request, plugin_id)
    form = await read_form(request, forms.PURPOSE, forms.ACCOUNT)
    switching = form.text(forms.PURPOSE) == Purpose.SWITCH
    attempt = await read_attempt(plugin, form, person_id=request.user.person_id)
    empty = await pages.empty_form(plugin, attempt.purpose, attempt.account)
    mode = Mode.LIVE if switching else Mode.TEST
    if not empty.sandbox:
        raise NotFound("There is no sandbox here.")
    found = await plugin.sandbox_credentials(empty.endpoint_url, current_settings(), mode)
    if found is None:
        raise NotFound("There is no sandbox here.")
    filled = pages.filled_form(empty, plugin, found)
    note = FieldFeedback("ok", "The sandbox's keys are filled in. Nothing is saved until you choose Save.")
    return await show_form(request, plugin, pages.with_note(filled, note))


async def checked_for_save(attempt: Attempt, *, person_id: int) -> Outcome:
    """Every check of these values: those that passed a moment ago are not asked again.

    Raises:
        TooManyRuns: the person ran and saved too often.
    """
    known = await last_run(attempt.subject, attempt.fingerprint)
    attempt.context.results.update(known.passed() if known else {})
    if len(attempt.context.results) < len(attempt.plugin.checks):
        await take_run(person_id, limit=RUNS_AND_SAVES)
    outcome = await run_to_end(attempt.plugin.checks, attempt.context, provider=attempt.plugin.manifest.title)
    await remember_run(attempt.subject, attempt.fingerprint, outcome.results)
    return outcome


def agreed(attempt: Attempt, outcome: Outcome, form: Form) -> bool:
    """Whether nothing is doubtful, or the person agreed to exactly these doubts."""
    return not outcome.doubtful or form.raw(forms.ACCEPTED) == pages.agreement(attempt, outcome)


async def _attempt(request: PortalRequest, plugin_id: str) -> tuple[Attempt, Form]:
    plugin = plugin_of(request, plugin_id)
    form = await read_form(request, *forms.form_fields(plugin))
    return await read_attempt(plugin, form, person_id=request.user.person_id), form


async def _new_attempt(request: PortalRequest, plugin_id: str) -> tuple[Attempt, Form]:
    """A form for a connection that is not there yet: one for new keys would mix them with saved ones."""
    attempt, form = await _attempt(request, plugin_id)
    if attempt.purpose is Purpose.ROTATE:
        raise NotFound("New keys are not saved here.", hint="Choose Replace keys on the connection's page.")
    return attempt, form


async def _stand_by_the_rest(attempt: Attempt, only: str, *, of: Attempt | None = None) -> None:
    """Leave out the checks that stand: after a repair (`of`: the values before it) those that passed."""
    before = of or attempt
    known = await last_run(before.subject, before.fingerprint)
    if known is None:
        return
    stands = known.passed() if of else known.all_but(only, attempt.plugin.checks)
    attempt.context.results.update(stands)


async def _run(
    request: PortalRequest, attempt: Attempt, *, note: str = ""
) -> Response[str] | ServerSentEvent:
    plugin = attempt.plugin

    async def finish(outcome: Outcome) -> str:
        await remember_run(attempt.subject, attempt.fingerprint, outcome.results)
        if attempt.purpose is not Purpose.SWITCH or attempt.account is None:
            return ""
        comparison = await comparison_of(attempt.account.id, plugin, outcome)
        return pages.render(request, "accounts/_comparison_update.html", comparison=comparison)

    if wants_stream(request):
        audience = Audience(pages.row_context(plugin, attempt.purpose), finish, attempt.feedback, note)
        return stream_checks(request, plugin, attempt.context, audience)
    outcome = await run_to_end(plugin.checks, attempt.context, provider=plugin.manifest.title)
    await finish(outcome)
    form = pages.answered_form(attempt)
    if note:
        form = pages.with_note(form, FieldFeedback("ok", note))
    return await show_form(request, plugin, form, outcome=outcome)


async def _save(request: PortalRequest, attempt: Attempt, outcome: Outcome) -> Response[Any]:
    plugin = attempt.plugin
    try:
        identity = await plugin.identify(attempt.values, current_settings())
        if attempt.purpose is Purpose.SWITCH and identity.mode is not Mode.LIVE:
            return await answer_save(request, attempt, None, error=NOT_LIVE)
        # The address that was checked, not whichever is free by now: the provider's endpoint has this one.
        endpoint = endpoint_at(attempt.context.endpoint_url)
        new = NewConnection(plugin, attempt.values, identity, endpoint, outcome)
        account_id = await save_connection(new, actor=person_actor(request))
    except PortalError as error:
        return await answer_save(request, attempt, None, error=error)
    notice = f"{plugin.manifest.title} connected in {identity.mode} mode."
    return redirect(request, pages.account_url(plugin, account_id), notice=notice)


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
    around: dict[str, Any] | None = None,
    outdated: bool = False,
) -> Response[str]:
    html = pages.render(
        request, "accounts/_field_answer.html", answers=answers, form=around, outdated=outdated
    )
    status = 200 if html.strip() else 204
    return Response(html.strip(), status_code=status, media_type=HTML, headers={"Vary": "HX-Request"})


def wants_stream(request: PortalRequest) -> bool:
    """Whether the page can take the rows one by one."""
    return request.by_htmx or EVENT_STREAM in request.headers.get("accept", "")


def loaded_plugins(request: PortalRequest) -> Sequence[LoadedPlugin]:
    """What the application was started with."""
    return tuple(request.app.state.plugins)


def plugin_of(request: PortalRequest, plugin_id: str) -> Plugin:
    """The plugin that an address names.

    Raises:
        NotFound: it is not loaded.
    """
    for entry in loaded_plugins(request):
        if entry.plugin and entry.plugin.manifest.id == plugin_id:
            return entry.plugin
    raise NotFound("There is no such provider.", hint="Look at the list of connected accounts.")


routes = [list_accounts, check_field, validate, repair, connect, use_sandbox]
