"""The page of a connection, and the page that ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from litestar import Response

from portal.accounts import pages as form_pages
from portal.accounts.check_runs import CheckRun, last_run, subject_of_account
from portal.accounts.disconnections import consequences
from portal.accounts.endpoints import reachability_warning
from portal.accounts.options import options_of
from portal.accounts.rechecks import saved_endpoint_url
from portal.accounts.services import AccountSummary
from portal.accounts.views import STATES, CheckBoard, finished_board, waiting_board
from portal.audit.services import timeline
from portal.connected.charts import chart_of_day
from portal.connected.queries import connection_detail
from portal.connected.refusals import refusal_words
from portal.connected.sync_pages import sync_context, walk_of
from portal.contract.descriptions import FieldFeedback
from portal.contract.facts import Mode
from portal.contract.plugin import Plugin
from portal.errors import NotFound, PortalError
from portal.exchange.health import health_of
from portal.security.sealing import SealBroken
from portal.settings import current_settings
from portal.web.request import PortalRequest
from portal.web.responses import page
from portal.webhooks.days import DayOfEvents, last_day

RECHECK_FORM = "recheck"
ENTRIES_SHOWN = 8


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
    error: PortalError | None = None,
) -> Response[str]:
    """Account, health, keys as far as people may see them, webhook, sync, features, and the ways out."""
    account = find_account(accounts, account_id)
    run = await last_run(subject_of_account(account.id))
    board = _board(plugin, account, run)
    day = await last_day(account.id)
    address, sealed = await _address(account, plugin)
    measured = await health_of(account.id)
    return page(
        request,
        "connected/show.html",
        status=error.status_code if error else 200,
        accounts=accounts,
        health=STATES["needs_attention" if measured.alarms and account.state == "ready" else account.state],
        detail=await connection_detail(account, plugin),
        day=day,
        measured=measured,
        chart=chart_of_day(day, zone_hours=_hours(day, request.visit.time_zone)),
        endpoint_url=address,
        endpoint_warning=_endpoint_warning(plugin),
        extra=plugin.slots.get("account.connected", ""),
        entries=await timeline("connected_account", account.id, limit=ENTRIES_SHOWN),
        live=form_pages.account_url(plugin, account.id, "/sync/live") if plugin.listed_kinds else None,
        walk=await walk_of(account.id),
        can_replace=bool(plugin.endpoint_feature) and account.can(plugin.endpoint_feature),
        refusals=await refusal_words(account.id),
        may_go_live=account.mode is Mode.TEST and all(other.mode is Mode.TEST for other in accounts),
        board=board,
        ran_at=run.ran_at if run else None,
        options=await options_of(account.id, plugin),
        error=error or sealed,
        **await sync_context(request, plugin, account),
        **form_pages.check_context(plugin, RECHECK_FORM, "recheck", "mend"),
    )


async def disconnect_page(
    request: PortalRequest,
    plugin: Plugin,
    account: AccountSummary,
    *,
    feedback: FieldFeedback | None = None,
    remove_endpoint: bool = False,
) -> Response[str]:
    """The consequences from real rows, and the name to type."""
    return page(
        request,
        "connected/disconnect.html",
        status=422 if feedback else 200,
        failed=bool(feedback),
        plugin=plugin,
        connection=account,
        url=form_pages.provider_url(plugin),
        effects=[effect.text for effect in await consequences(account.id, plugin)],
        can_remove=bool(plugin.endpoint_feature) and account.can(plugin.endpoint_feature),
        remove_endpoint=remove_endpoint,
        feedback=feedback,
    )


async def _address(account: AccountSummary, plugin: Plugin) -> tuple[str, PortalError | None]:
    """The webhook address, or why it cannot be shown: the connection must still be seen, and ended."""
    try:
        return await saved_endpoint_url(account.id, plugin), None
    except SealBroken as error:
        return "", error


def _board(plugin: Plugin, account: AccountSummary, run: CheckRun | None) -> CheckBoard:
    """What the last run found; what passed before the key was refused in use stands no longer."""
    if run is None:
        return waiting_board(plugin.checks)
    board = finished_board(plugin.checks, run.results)
    if account.state == "broken" and board.tone == "ok":
        return replace(board, headline="Out of date", tone="mute")
    return board


def _hours(day: DayOfEvents, zone: str) -> tuple[str, ...]:
    return tuple(f"{hour.hour.astimezone(ZoneInfo(zone)):%H:%M}" for hour in day.hours)


def _endpoint_warning(plugin: Plugin) -> str:
    settings = current_settings()
    # The sandbox runs beside the portal, so the address needs to reach no further.
    on_sandbox = form_pages.sandbox_is_on(plugin, settings)
    return "" if on_sandbox else reachability_warning(settings, plugin.manifest.title)
