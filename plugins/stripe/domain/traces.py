"""Which call to Stripe caused an event, as its body tells. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """What an event says of the call behind it; empty texts: Stripe did it by itself."""

    request_id: str = ""
    idempotency_key: str = ""


def cause_of(body: bytes) -> Cause:
    """Read it from the event; a body that says nothing readable has no cause."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return Cause()
    request: Any = event.get("request") if isinstance(event, dict) else None
    if not isinstance(request, dict):
        return Cause(request) if isinstance(request, str) else Cause()
    return Cause(_text(request.get("id")), _text(request.get("idempotency_key")))


def version_note(api_version: str | None, pinned: str) -> str:
    """A sentence when the event was written for another version than the one that is read here."""
    if api_version is None or api_version == pinned:
        return ""
    return (
        f"Stripe wrote it in the form of version {api_version}; the portal reads objects at {pinned}. "
        "It is handled all the same, since the object is read again."
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
