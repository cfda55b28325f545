"""Stripe's own list of events: what was missed while nobody listened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.domain.invoices import Raw
from plugins.stripe.gateway import lists
from plugins.stripe.services.webhooks import parse_event
from portal.sdk import Account, EventPage, ListedEvent, current_settings

_WANTED = frozenset(ENDPOINT_EVENTS)


async def list_events(account: Account, *, since: datetime, after: str | None) -> EventPage:
    """A page of events since then, those that the endpoint would have been sent."""
    params: dict[str, Any] = {"created": {"gte": int(since.timestamp())}}
    if after:
        params["starting_after"] = after
    page = await lists.list_events(account, current_settings(), params)
    found: list[Raw] = page["data"]
    return EventPage(list(_listed(found)), str(found[-1]["id"]) if page["has_more"] and found else None)


def _listed(found: Sequence[Raw]) -> Iterator[ListedEvent]:
    for event in found:
        if event["type"] in _WANTED:
            body = msgspec.json.encode(event)
            yield ListedEvent(parse_event(body), body)
