"""New keys for a saved connection: replace them, let the portal do it, end the overlap, go live."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from portal.accounts import forms
from portal.accounts import pages as form_pages
from portal.accounts.allowances import TooManyRuns
from portal.accounts.answers import answer_save, show_form, too_often
from portal.accounts.attempts import Attempt, Purpose, read_attempt
from portal.accounts.controllers import agreed, checked_for_save, plugin_of
from portal.accounts.overlaps import (
    finish_overlap,
)
from portal.accounts.rechecks import note_outcome
from portal.accounts.rotations import (
    replace_credentials,
    require_same_account,
    rotate_endpoint,
)
from portal.accounts.services import AccountSummary, connected_accounts
from portal.accounts.validations import Outcome
from portal.audit.services import person_actor
from portal.connected.controllers import ADDRESS, ADMIN
from portal.connected.pages import connected_page, find_account
from portal.contract.facts import Mode
from portal.contract.plugin import Plugin
from portal.errors import Conflict, PortalError
from portal.settings import current_settings
from portal.web.forms import Form, read_form
from portal.web.request import PortalRequest
from portal.web.responses import redirect

OLD_STAYS = "The old signing secret is accepted for 24 hours."


@get(ADDRESS + "/keys", guards=ADMIN)
async def show_rotation(
    request: PortalRequest, plugin_id: FromPath[str], account: FromQuery[int | None] = None
) -> Response[str]:
    """The form for new keys; what is left empty stays."""
    plugin, found = await _named(request, plugin_id, account)
    return await show_form(request, plugin, await form_pages.empty_form(plugin, Purpose.ROTATE, found))


@post(ADDRESS + "/rotate")
async def rotate(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Save new keys of the same account: checked first, then sealed in the place of the old ones."""
    plugin = plugin_of(request, plugin_id)
    form = await read_form(request, *forms.form_fields(plugin))
    attempt = await read_attempt(plugin, _as_rotation(form), person_id=request.user.person_id)
    if attempt.refused:
        return await answer_save(request, attempt, None)
    try:
        await _require_same(attempt)
        outcome = await checked_for_save(attempt, person_id=request.user.person_id)
        if outcome.failed or not agreed(attempt, outcome, form):
            return await answer_save(request, attempt, outcome)
        return await _replace(request, attempt, outcome)
    except TooManyRuns as error:
        return await too_often(request, attempt, error)
    except PortalError as error:
        return await answer_save(request, attempt, None, error=error)


@post(ADDRESS + "/rotate/endpoint")
async def replace_endpoint(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """A second endpoint with a new secret; both deliver until the old one is removed: nothing is missed."""
    plugin, account = await _posted(request, plugin_id)
    try:
        made = await rotate_endpoint(account.id, plugin, actor=person_actor(request))
    except PortalError as error:
        return await _show_again(request, plugin, account, error)
    notice = f"{made.message} {OLD_STAYS}"
    return redirect(request, form_pages.account_url(plugin, account.id), notice=notice)


@post(ADDRESS + "/rotate/finish")
async def finish_rotation(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Stop accepting the old signing secret, and erase it."""
    plugin, account = await _posted(request, plugin_id)
    try:
        await finish_overlap(account.id, actor=person_actor(request))
    except PortalError as error:
        return await _show_again(request, plugin, account, error)
    notice = "The old signing secret is erased and no longer accepted."
    return redirect(request, form_pages.account_url(plugin, account.id), notice=notice)


@get(ADDRESS + "/switch-to-live", guards=ADMIN)
async def show_switch(
    request: PortalRequest, plugin_id: FromPath[str], account: FromQuery[int | None] = None
) -> Response[str]:
    """Both modes side by side, and the form for live keys."""
    plugin, found = await _named(request, plugin_id, account)
    if found.mode is not Mode.TEST:
        raise Conflict("This connection is live already.", hint="Look at its page.")
    return await show_form(request, plugin, await form_pages.empty_form(plugin, Purpose.SWITCH, found))


async def _require_same(attempt: Attempt) -> None:
    """A new key must open the account that is connected, in its mode."""
    assert attempt.account is not None  # noqa: S101 - a rotation always has one
    keys = forms.keys_of(attempt.plugin, attempt.typed)
    if any(keys.values()):
        identity = await attempt.plugin.identify(attempt.values, current_settings())
        require_same_account(attempt.account, identity)


async def _replace(request: PortalRequest, attempt: Attempt, outcome: Outcome) -> Response[Any]:
    plugin, account = attempt.plugin, attempt.account
    assert account is not None  # noqa: S101 - a rotation always has one
    new = forms.trimmed(attempt.typed)
    changed = await replace_credentials(account.id, plugin, new, actor=person_actor(request))
    await note_outcome(account.id, plugin, attempt.context, outcome)
    webhook = {spec.label for spec in plugin.credentials if spec.webhook}
    overlap = f" {OLD_STAYS}" if webhook & set(changed) else ""
    labels = " and ".join(label.lower() for label in changed)
    notice = f"The new {labels} {'is' if len(changed) == 1 else 'are'} in use.{overlap}"
    return redirect(request, form_pages.account_url(plugin, account.id), notice=notice)


def _as_rotation(form: Form) -> Form:
    """The form, whatever it says of its purpose: this address is for new keys alone."""
    return Form({**form.values, forms.PURPOSE: [Purpose.ROTATE.value]})


async def _named(
    request: PortalRequest, plugin_id: str, account: int | None
) -> tuple[Plugin, AccountSummary]:
    plugin = plugin_of(request, plugin_id)
    return plugin, find_account(await connected_accounts(plugin_id), account)


async def _posted(request: PortalRequest, plugin_id: str) -> tuple[Plugin, AccountSummary]:
    form = await read_form(request, forms.ACCOUNT)
    return await _named(request, plugin_id, forms.account_number(form))


async def _show_again(
    request: PortalRequest, plugin: Plugin, account: AccountSummary, error: PortalError
) -> Response[str]:
    connected = await connected_accounts(plugin.manifest.id)
    return await connected_page(request, plugin, connected, account.id, error=error)


routes = [show_rotation, rotate, replace_endpoint, finish_rotation, show_switch]
