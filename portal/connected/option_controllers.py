"""What an admin switches on for a connection."""

from __future__ import annotations

from typing import Any

from litestar import Response, post
from litestar.params import FromPath

from portal.accounts import forms
from portal.accounts import pages as form_pages
from portal.accounts.controllers import plugin_of
from portal.accounts.options import change_options
from portal.accounts.services import connected_accounts
from portal.audit.services import person_actor
from portal.connected.controllers import ADDRESS
from portal.connected.pages import find_account
from portal.web.forms import read_form
from portal.web.request import PortalRequest
from portal.web.responses import redirect


@post(ADDRESS + "/options")
async def save_options(request: PortalRequest, plugin_id: FromPath[str]) -> Response[Any]:
    """Switch on what is ticked, and everything else off."""
    plugin = plugin_of(request, plugin_id)
    names = [option.name for option in plugin.options]
    form = await read_form(request, "account", *names)
    account = find_account(await connected_accounts(plugin_id), forms.account_number(form))
    wanted = {name: form.checked(name) for name in names}
    said = await change_options(account.id, plugin, wanted, actor=person_actor(request))
    notice = " ".join(said) or "Nothing changed."
    return redirect(request, form_pages.account_url(plugin, account.id), notice=notice)


routes = [save_options]
