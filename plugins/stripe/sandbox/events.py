"""Events: what changed, as a snapshot, kept for 30 days."""

from __future__ import annotations

from typing import Any

from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.store.worlds import World
from plugins.stripe.sandbox.versions import CURRENT

KEPT_SECONDS = 30 * 86400


def record(world: World, kind: str, snapshot: Json, *, previous: Json | None, request: Json) -> Json:
    """Store an event of this kind about a snapshot."""
    data: Json = {"object": snapshot}
    if previous is not None:
        data["previous_attributes"] = previous
    return world.add(
        "event",
        {
            "api_version": CURRENT,
            "data": data,
            "pending_webhooks": 0,
            "request": request,
            "type": kind,
        },
    )


def differences(before: Json, after: Json) -> Json:
    """The earlier values of what changed; inside hashes only the changed keys, None for keys that are new."""
    changed: Json = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old != new:
            changed[key] = _earlier(old, new)
    return dict(sorted(changed.items()))


def _earlier(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return differences(old, new)
    return old


def matches(kind: str, enabled: list[str]) -> bool:
    """Whether an endpoint with these enabled events wants this kind."""
    return "*" in enabled or kind in enabled
