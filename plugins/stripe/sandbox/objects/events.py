"""Reading events; they are kept for 30 days."""

from __future__ import annotations

from collections.abc import Callable

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import ApiError, Json, missing_object
from plugins.stripe.sandbox.events import KEPT_SECONDS
from plugins.stripe.sandbox.listing import listed

MAX_TYPES = 20


def _horizon(call: Call) -> int:
    return call.world.clock.now() - KEPT_SECONDS


@handles("GET /v1/events/{id}")
def retrieve(call: Call) -> Json:
    """Read an event that is not too old."""
    event = call.world.get("event", call.ids[0])
    if event["created"] < _horizon(call):
        raise missing_object("event", call.ids[0])
    return event


@handles("GET /v1/events")
def list_(call: Call) -> Json:
    """List events, newest first, by types, time or whether every delivery succeeded."""
    kind, kinds = call.params.get("type"), call.params.get("types")
    if kind and kinds:
        raise ApiError(400, "You may only specify one of these parameters: type, types.", param="types")
    if kinds and len(kinds) > MAX_TYPES:
        raise ApiError(400, f"You may pass at most {MAX_TYPES} types.", param="types")
    horizon, delivered = _horizon(call), _delivered(call)
    wanted = frozenset(kinds or ())

    def keep(row: Json) -> bool:
        return row["created"] >= horizon and (not wanted or row["type"] in wanted) and delivered(row)

    if kind and kind.endswith(".*"):
        head = kind.removesuffix("*")
        return listed(call, "event", keep=lambda row: keep(row) and row["type"].startswith(head))
    return listed(call, "event", {"type": kind}, keep=keep)


def _delivered(call: Call) -> Callable[[Json], bool]:
    success = call.params.get("delivery_success")
    if success is None:
        return lambda _row: True
    return lambda row: (row["pending_webhooks"] == 0) == success
