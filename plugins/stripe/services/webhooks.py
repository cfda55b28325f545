"""Events: proved at the door, and handled by the object that they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from plugins.stripe.domain.events import points_at
from plugins.stripe.gateway.signatures import verify_signature
from plugins.stripe.services.subjects import locate, read
from portal.sdk import EventRefused, Mode, ReceivedEvent, Secret, run_event

LONGEST_ID = 255
"""Stripe's ids have no more characters."""


def receive_event(
    body: bytes, headers: Mapping[str, str], secrets: Sequence[Secret], now: datetime
) -> ReceivedEvent:
    """Prove the signature over the raw bytes, then read what intake needs.

    Raises:
        EventRefused: anything else than a fresh event that Stripe signed.
    """
    signed_by = verify_signature(body, headers.get("stripe-signature", ""), secrets, now)
    try:
        return parse_event(body, signed_by)
    # After a valid signature: an array, NaN, deep nesting, a thin event.
    except (ValueError, msgspec.MsgspecError, RecursionError):
        raise EventRefused("The body is no event of a kind that is handled here.", reason="body") from None


async def process_event(event_id: int) -> None:
    """Handle one event of the inbox and all that share its object."""
    await run_event(event_id, locate=locate, read=read)


class _Thing(msgspec.Struct):
    object: str = ""
    id: str | None = None
    invoice: Any = None
    payment_intent: Any = None
    charge: Any = None
    payment_method: Any = None


class _Data(msgspec.Struct):
    object: _Thing


class _Event(msgspec.Struct):
    """The fields of an event that intake needs; the rest is skipped unread."""

    id: str
    type: str
    object: Literal["event"]
    livemode: bool
    data: _Data
    api_version: str | None = None
    account: str | None = None


_decoder = msgspec.json.Decoder(_Event)


def parse_event(body: bytes, signed_by: int = 0) -> ReceivedEvent:
    """What intake needs of an event.

    Raises:
        ValueError: it is no event, or an id in it is too long; msgspec's errors are ValueErrors, too.
    """
    event = _decoder.decode(body)
    thing = event.data.object
    pointer = points_at(msgspec.structs.asdict(thing))
    return ReceivedEvent(
        external_id=_short(event.id),
        type=_short(event.type),
        object_kind=_short(thing.object),
        object_id=_short(thing.id or ""),
        group_id=_short(pointer.root or thing.id or ""),
        mode=Mode.LIVE if event.livemode else Mode.TEST,
        api_version=_short(event.api_version) if event.api_version else None,
        account_external_id=event.account,
        signed_by=signed_by,
    )


def _short(text: str) -> str:
    """A text that fits a name, without the NUL that PostgreSQL refuses."""
    if len(text) > LONGEST_ID or "\0" in text:
        raise ValueError
    return text
