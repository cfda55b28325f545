"""The page of a connection's sync, and the parts of it that change by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Response

from portal.accounts import pages as form_pages
from portal.accounts.services import AccountSummary
from portal.connected.unsent import unsent_of
from portal.contract.plugin import Plugin
from portal.database.transaction import connection
from portal.exchange.progress import RunProgress, runs_of
from portal.exchange.reports import open_report
from portal.exchange.runs import RANGES, Purpose, kinds_for
from portal.web.request import PortalRequest, Role
from portal.web.responses import page

STATES = {
    "waiting": ("run", "Waiting"),
    "running": ("run", "Running"),
    "paused": ("warn", "Paused"),
    "stopped": ("mute", "Stopped"),
    "done": ("ok", "Done"),
    "failed": ("bad", "Failed"),
}


async def sync_page(request: PortalRequest, plugin: Plugin, account: AccountSummary) -> Response[str]:
    """The run that is under way, what differs, past runs, and the form for a new one."""
    context = await sync_context(request, plugin, account)
    return page(
        request,
        "connected/sync.html",
        live=form_pages.account_url(plugin, account.id, "/sync/live") if plugin.listed_kinds else None,
        report=await open_report(account.id),
        walk=await walk_of(account.id),
        unsent=await unsent_of(account.id),
        can_compare=bool(kinds_for(plugin, Purpose.COMPARISON)),
        **context,
    )


async def progress_fragments(request: PortalRequest, plugin: Plugin, account: AccountSummary) -> str:
    """What a stream or a poll swaps in."""
    context = await sync_context(request, plugin, account)
    return form_pages.render(request, "connected/_runs_update.html", **context)


async def sync_context(request: PortalRequest, plugin: Plugin, account: AccountSummary) -> dict[str, Any]:
    """What `connected/_run.html` and `connected/_past_runs.html` need."""
    runs = await runs_of(account.id, plugin) if plugin.listed_kinds else []
    under_way = next((run for run in runs if run.under_way), None)
    return {
        "plugin": plugin,
        "connection": account,
        "url": form_pages.provider_url(plugin),
        "may_write": request.user.role.covers(Role.ADMIN),
        "run": under_way,
        "past_runs": [run for run in runs if not run.under_way],
        "last_run": next((run for run in runs if run.state == "done"), None),
        "run_states": STATES,
        "ranges": [(key, title, "") for key, (title, _) in RANGES.items()],
        "kinds": plugin.listed_kinds,
        "announcement": _announcement(runs),
    }


def _announcement(runs: list[RunProgress]) -> str:
    """For screen readers: the end, and nothing in between."""
    if not runs or runs[0].under_way:
        return ""
    counts = runs[0].counts
    return f"{runs[0].title} {STATES[runs[0].state][1].lower()}: {counts.seen:,} read."


async def walk_of(account_id: int) -> dict[str, Any]:
    """The walk over the provider's events: when it ran, and how many it found in the last day."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT w.ran_at, w.error, w.found,
                   (SELECT count(*) FROM webhook_event e WHERE e.account = $1 AND e.origin = 'list'
                    AND e.received_at > now() - interval '24 hours'
                    AND e.id >= webhook_event_first_id(now() - interval '24 hours')) AS found_today
            FROM event_walk w WHERE w.account = $1
            """,
            account_id,
        )
    empty: dict[str, datetime | int | str | None] = {
        "ran_at": None,
        "error": "",
        "found": 0,
        "found_today": 0,
    }
    return dict(row) if row else empty
