"""The event log: what providers told the portal, and what became of it."""

from __future__ import annotations

from urllib.parse import urlencode

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from portal.contract.help_pages import help_href
from portal.web.keysets import read_cursor
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest, Role
from portal.web.responses import page
from portal.webhooks.queries import (
    EventFilter,
    EventState,
    event_types,
    find_event,
    list_events,
    readable_payload,
)


@get("/webhook-events", name="webhook-events")
async def show_list(
    request: PortalRequest,
    status: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    page_at: FromQuery[str] = "",
) -> Response[str]:
    """The log, or its table alone for htmx."""
    wanted = EventFilter(EventState(status) if status in list(EventState) else None, kind.strip()[:100])
    return page(
        request,
        "webhooks/list.html",
        fragment="webhooks/_list_update.html",
        wanted=wanted,
        found=await list_events(wanted, read_cursor(page_at)),
        types=await event_types(),
        states=EventState,
        address=_address,
    )


@get("/webhook-events/{event_id:int}", name="webhook-event")
async def show_event(request: PortalRequest, event_id: FromPath[int]) -> Response[str]:
    """One event. Its payload is for admins alone: it holds names and addresses."""
    event = await find_event(event_id)
    payload = await readable_payload(event_id) if request.user.role.covers(Role.ADMIN) else None
    return page(
        request,
        "webhooks/detail.html",
        event=event,
        payload=payload,
        help_href=help_href(event.error_code) if event.error_code else "",
    )


def _address(wanted: EventFilter, cursor: str = "") -> str:
    values = {"status": wanted.state or "", "kind": wanted.type, "page_at": cursor}
    query = urlencode({name: value for name, value in values.items() if value})
    return f"/webhook-events?{query}" if query else "/webhook-events"


routes = [show_list, show_event]
nav = [NavEntry("Webhook events", "/webhook-events", "webhook", section="Operations", order=10)]
