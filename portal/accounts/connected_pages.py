"""The page of a connection, and the page that ends it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from litestar import Response

from portal.accounts.disconnections import consequences
from portal.accounts.endpoints import reachability_warning
from portal.accounts.pages import provider_url, sandbox_is_on
from portal.accounts.rechecks import saved_endpoint_url
from portal.accounts.services import AccountSummary
from portal.accounts.tables import ConnectedAccount
from portal.accounts.validations import Outcome
from portal.accounts.views import STATES, finished_board, waiting_board
from portal.contract.plugin import FieldFeedback, Plugin
from portal.errors import NotFound
from portal.settings import current_settings
from portal.web.request import PortalRequest, Role
from portal.web.responses import page

RECHECK_FORM = "recheck"


def find_account(accounts: Sequence[AccountSummary], account_id: int | None) -> AccountSummary:
    """The named connection, or the first one.

    Raises:
        NotFound: there is none, or none with this id.
    """
    for account in accounts:
        if account_id in (None, account.id):
            return account
    raise NotFound("There is no such connection.", hint="It may be disconnected already.")


async def connected_page(
    request: PortalRequest,
    plugin: Plugin,
    accounts: Sequence[AccountSummary],
    account_id: int | None,
    *,
    outcome: Outcome | None = None,
) -> Response[str]:
    """Account, health, keys as far as people may see them, webhook address, and the way out."""
    account = find_account(accounts, account_id)
    board = finished_board(plugin.checks, outcome.results) if outcome else waiting_board(plugin.checks)
    return page(
        request,
        "accounts/connected.html",
        plugin=plugin,
        connection=account,
        accounts=accounts,
        health=STATES[account.state],
        credentials=await _shown(account.id, plugin),
        endpoint_url=await saved_endpoint_url(account.id, plugin),
        endpoint_warning=_endpoint_warning(plugin),
        extra=plugin.slots.get("account.connected", ""),
        url=provider_url(plugin),
        may_write=request.user.role.covers(Role.ADMIN),
        board=board,
        check_form=RECHECK_FORM,
        check_url=f"{provider_url(plugin)}/validate",
    )


async def disconnect_page(
    request: PortalRequest,
    plugin: Plugin,
    account: AccountSummary,
    *,
    feedback: FieldFeedback | None = None,
) -> Response[str]:
    """The consequences from real rows, and the name to type."""
    return page(
        request,
        "accounts/disconnect.html",
        status=422 if feedback else 200,
        failed=bool(feedback),
        plugin=plugin,
        connection=account,
        url=provider_url(plugin),
        effects=[effect.text for effect in await consequences(account.id, plugin)],
        feedback=feedback,
    )


def _endpoint_warning(plugin: Plugin) -> str:
    settings = current_settings()
    # The sandbox runs beside the portal, so the address needs to reach no further.
    return "" if sandbox_is_on(plugin, settings) else reachability_warning(settings, plugin.manifest.title)


async def _shown(account_id: int, plugin: Plugin) -> list[tuple[str, str]]:
    """(label, masked value) of every credential, in the order of the form."""
    rows = await ConnectedAccount.raw(
        "SELECT shown_credentials FROM connected_account WHERE id = {}", account_id
    )
    shown: dict[str, str] = json.loads(rows[0]["shown_credentials"])
    return [(spec.label, shown[spec.name]) for spec in plugin.credentials if spec.name in shown]
