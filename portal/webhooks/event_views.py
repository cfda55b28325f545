"""What an event's page shows, for the page and for its stream."""

from __future__ import annotations

from typing import Any, cast

from litestar.plugins.jinja import JinjaTemplateEngine

from portal.contract.help_pages import help_href
from portal.web.request import PortalRequest, Role
from portal.web.responses import shell
from portal.web.templates import render_fragment
from portal.webhooks.filters import EventState
from portal.webhooks.queries import EventRow
from portal.webhooks.stories import fix_for, story_of, summary_of

REPLAYABLE = frozenset({EventState.PARKED, EventState.PROCESSED, EventState.IGNORED})
UNDER_WAY = frozenset({EventState.RECEIVED, EventState.PROCESSING})


def event_context(request: PortalRequest, event: EventRow) -> dict[str, Any]:
    """Everything but the payload and the records around it."""
    may_write = request.user.role.covers(Role.ADMIN)
    replayable = event.state in REPLAYABLE or event.will_retry
    return {
        "event": event,
        "summary": summary_of(event),
        "steps": story_of(event),
        "fix": fix_for(event),
        "help_href": help_href(event.error_code) if event.error_code else "",
        "may_write": may_write,
        "may_again": may_write and replayable and event.account_state != "disconnected",
    }


def live_event(request: PortalRequest, event: EventRow) -> str:
    """The parts that change while an event is handled, as `<hx-partial>` elements for an open page."""
    engine = cast("JinjaTemplateEngine", request.app.template_engine)
    context = event_context(request, event)
    return render_fragment(engine, "webhooks/_live.html", shell=shell(request), **context)


def newer_events(request: PortalRequest, **context: Any) -> str:
    """The button that says how many events came, as `<hx-partial>` elements for an open list."""
    engine = cast("JinjaTemplateEngine", request.app.template_engine)
    return render_fragment(engine, "webhooks/_newer.html", **context)
