"""The stream that keeps an open customer page up to date."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Request, get
from litestar.params import FromPath
from litestar.response import ServerSentEvent, ServerSentEventMessage

from portal.customers.views import live_fragments
from portal.web.live import LiveHub


@get("/customers/{customer_id:int}/live", name="customer.live")
async def stream_customer(customer_id: FromPath[int], request: Request[Any, Any, Any]) -> ServerSentEvent:
    """Send the parts of the page again after each commit that concerns the customer."""
    hub: LiveHub = request.app.state.live

    async def changes() -> AsyncIterator[ServerSentEventMessage]:
        async for changed in hub.changes(f"customer:{customer_id}", at_once=True):
            if changed:
                yield ServerSentEventMessage(data=await live_fragments(customer_id, request))
            else:
                yield ServerSentEventMessage(comment="still here")

    return ServerSentEvent(changes())
