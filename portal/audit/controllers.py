"""The audit log's page."""

from __future__ import annotations

from urllib.parse import urlencode

from litestar import Response, get
from litestar.params import FromQuery

from portal.audit.queries import AuditFilter, known_actions, list_entries
from portal.audit.services import Entry
from portal.web.keysets import read_cursor
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest
from portal.web.responses import page

LONGEST_FILTER = 100
OBJECT_PAGES = {
    "invoice": "/invoices/{id}",
    "customer": "/customers/{id}",
    "subscription": "/subscriptions/{id}",
    "webhook_event": "/webhook-events/{id}",
    "event_replay": "/webhook-events/again/{id}",
    "connected_account": "/settings/connected-accounts",
    "organisation": "/settings/finance",
}


@get("/audit-log", name="audit-log")
async def show_log(
    request: PortalRequest,
    *,
    action: FromQuery[str] = "",
    kind: FromQuery[str] = "",
    object_id: FromQuery[str] = "",
    page_at: FromQuery[str] = "",
) -> Response[str]:
    """The list, or its table alone for htmx."""
    wanted = AuditFilter(*(text.strip()[:LONGEST_FILTER] for text in (action, kind, object_id)))

    def address(cursor: str) -> str:
        asked = {"action": wanted.action, "kind": wanted.object_kind, "object_id": wanted.object_id}
        return "/audit-log?" + urlencode({k: v for k, v in {**asked, "page_at": cursor}.items() if v})

    return page(
        request,
        "audit/list.html",
        fragment="audit/_list.html",
        wanted=wanted,
        found=await list_entries(wanted, read_cursor(page_at)),
        areas=[("", "Everything"), *((a, a.replace("_", " ").capitalize()) for a in await known_actions())],
        address=address,
        object_link=lambda entry: _object_link(request, entry),
    )


def _object_link(request: PortalRequest, entry: Entry) -> str:
    """Where the object is to be seen; empty when there is no page for it."""
    pattern = OBJECT_PAGES.get(entry.object_kind, "")
    room = pattern.removesuffix("/{id}")
    return pattern.format(id=entry.object_id) if room in request.app.state.pages else ""


routes = [show_log]
nav = [NavEntry("Audit log", "/audit-log", "history", section="Operations", order=20)]
