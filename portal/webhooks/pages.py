"""The event log: what providers told the portal, and what became of it."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from portal.audit.services import person_actor
from portal.contract.descriptions import EventTrace
from portal.contract.loading import plugin_by_id
from portal.security.keyrings import current_keyring
from portal.web.forms import read_form
from portal.web.guards import require_role
from portal.web.keysets import read_cursor
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest, Role
from portal.web.responses import page, redirect
from portal.webhooks.event_views import UNDER_WAY, event_context
from portal.webhooks.filters import EventState, read_filter
from portal.webhooks.payloads import Payload, readable_payload
from portal.webhooks.queries import (
    EventRow,
    event_accounts,
    event_types,
    find_body,
    find_event,
    last_replay,
    list_events,
    matching_ids,
)
from portal.webhooks.related import related_records
from portal.webhooks.set_asides import set_aside

ADDRESS: Final = "/webhook-events"
REVEAL: Final = "shown"
MOST_TOGETHER: Final = 500
NEVER_AGAIN: Final = frozenset({EventState.PROCESSING, EventState.REJECTED})


@get(ADDRESS, name="webhook-events")
async def show_list(request: PortalRequest, page_at: FromQuery[str] = "") -> Response[str]:
    """The log, or its table alone for htmx."""
    wanted, zone = read_filter(request.query_params), request.visit.time_zone
    may_write = request.user.role.covers(Role.ADMIN)
    may_again = may_write and wanted and wanted.state not in NEVER_AGAIN
    together = await matching_ids(wanted, most=MOST_TOGETHER, zone=zone) if may_again else []
    return page(
        request,
        "webhooks/list.html",
        fragment="webhooks/_list_update.html",
        wanted=wanted,
        found=await list_events(wanted, read_cursor(page_at), zone=zone),
        types=await event_types(),
        accounts=await event_accounts(),
        states=EventState,
        may_write=may_write,
        together=len(together),
        most=MOST_TOGETHER,
        replay=await last_replay() if may_write else None,
    )


@get(ADDRESS + "/{event_id:int}", name="webhook-event")
async def show_event(
    request: PortalRequest, event_id: FromPath[int], personal: FromQuery[str] = ""
) -> Response[str]:
    """One event. Its payload is for admins alone, and personal data in it for those who ask for it."""
    event = await find_event(event_id)
    body = await find_body(event_id)
    pages: set[str] = request.app.state.pages
    context = event_context(request, event)
    trace = _trace(event, body)
    return page(
        request,
        "webhooks/detail.html",
        live=f"{ADDRESS}/{event_id}/live?shown={event.stage}" if event.state in UNDER_WAY else None,
        related=await related_records(event_id, has_page=lambda path: _has_page(pages, path)),
        payload=_payload(event, body, personal=personal == REVEAL) if context["may_write"] else None,
        personal=personal == REVEAL,
        trace=trace,
        is_echo=trace.idempotency_key.startswith(f"portal:{current_keyring().instance}:"),
        **context,
    )


@post(ADDRESS + "/{event_id:int}/set-aside", guards=[require_role("admin")])
async def put_aside(request: PortalRequest, event_id: FromPath[int]) -> Response[Any]:
    """Take a failed event out of what waits for a person, without handling it."""
    await read_form(request)
    await set_aside(event_id, actor=person_actor(request))
    notice = "Set aside: it counts as ignored. You can still process it again."
    return redirect(request, f"{ADDRESS}/{event_id}", notice=notice)


def _payload(event: EventRow, body: bytes, *, personal: bool) -> Payload | None:
    """Of what was kept out nothing but the facts about it is shown."""
    return None if event.state is EventState.REJECTED else readable_payload(body, personal=personal)


def _trace(event: EventRow, body: bytes) -> EventTrace:
    plugin = plugin_by_id(event.plugin)
    return plugin.trace_event(body, event.api_version) if plugin else EventTrace()


def _has_page(pages: set[str], path: str) -> bool:
    return any(known.startswith(f"{path}/{{") for known in pages)


routes = [show_list, show_event, put_aside]
nav = [NavEntry("Webhook events", ADDRESS, "webhook", section="Operations", order=10)]
