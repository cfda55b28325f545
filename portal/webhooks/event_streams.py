"""Streams that keep open pages of the event log up to date: they look by themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Request, get
from litestar.params import FromPath, FromQuery
from litestar.response import ServerSentEvent, ServerSentEventMessage

from portal.web.live import LiveHub
from portal.web.request import PortalRequest, RowId
from portal.webhooks.event_views import live_event, newer_events
from portal.webhooks.filters import read_filter
from portal.webhooks.queries import count_newer, find_event

TOPIC = "webhook-events"
NEWER_SECONDS = 5.0
EVENT_SECONDS = 2.0
STILL_HERE = ServerSentEventMessage(comment="still here")


@get("/webhook-events/newer", name="webhook-events.newer")
async def stream_newer(request: Request[Any, Any, Any], after: RowId = 0) -> ServerSentEvent:
    """Say how many events of the filter came after the newest one that the page shows."""
    hub: LiveHub = request.app.state.live
    ours = PortalRequest(request.scope)
    wanted, zone = read_filter(ours.query_params), ours.visit.time_zone

    async def changes() -> AsyncIterator[ServerSentEventMessage]:
        said = 0
        async for _ in hub.changes(TOPIC, every=NEWER_SECONDS):
            counted = await count_newer(wanted, after, zone=zone)
            if counted == said:
                yield STILL_HERE
                continue
            said = counted
            yield ServerSentEventMessage(data=newer_events(ours, wanted=wanted, counted=counted))

    return ServerSentEvent(changes())


@get("/webhook-events/{event_id:int}/live", name="webhook-event.live")
async def stream_event(
    event_id: FromPath[int], request: Request[Any, Any, Any], shown: FromQuery[str] = ""
) -> ServerSentEvent:
    """Send what stands on the event's page again whenever it is not `shown` any more."""
    hub: LiveHub = request.app.state.live
    ours = PortalRequest(request.scope)
    await find_event(event_id)

    async def changes() -> AsyncIterator[ServerSentEventMessage]:
        seen = shown
        async for _ in hub.changes(TOPIC, at_once=True, every=EVENT_SECONDS):
            event = await find_event(event_id)
            if event.stage == seen:
                yield STILL_HERE
                continue
            seen = event.stage
            yield ServerSentEventMessage(data=live_event(ours, event))

    return ServerSentEvent(changes())


routes = [stream_newer, stream_event]
