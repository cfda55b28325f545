"""Events: proved at the door, then followed to the object they are about, which is read as it is now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from plugins.stripe.domain.events import Follow, follow, points_at
from plugins.stripe.gateway import payments as gateway
from plugins.stripe.gateway.client import ObjectMissing
from plugins.stripe.gateway.signatures import verify_signature
from plugins.stripe.services.links import find_link, linked_ids, portal_invoice_of, save_mirror
from plugins.stripe.services.readings import reading_of_invoice
from portal.sdk import (
    Account,
    Connection,
    CustomerSeen,
    EventRefused,
    Mode,
    Reading,
    ReceivedEvent,
    Secret,
    StoredEvent,
    Subject,
    current_settings,
    run_event,
)

NOT_FOLLOWED = "Kept for the record: nothing here follows events of this type."
LONGEST_ID = 255
"""Stripe's ids have no more characters."""
CONNECTION_TEST = "A test event of the connection check."
MARKER = "portal_probe"
"""In the metadata of a customer that a check made to see its event arrive."""
NOT_OURS = "It is about an invoice that was not made here."


def receive_event(
    body: bytes, headers: Mapping[str, str], secrets: Sequence[Secret], now: datetime
) -> ReceivedEvent:
    """Prove the signature over the raw bytes, then read what intake needs.

    Raises:
        EventRefused: anything else than a fresh event that Stripe signed.
    """
    signed_by = verify_signature(body, headers.get("stripe-signature", ""), secrets, now)
    try:
        return _received(body, signed_by)
    # After a valid signature: an array, NaN, deep nesting, a thin event.
    except (ValueError, msgspec.MsgspecError, RecursionError):
        raise EventRefused("The body is no event of a kind that is handled here.", reason="body") from None


async def process_event(event_id: int) -> None:
    """Handle one event of the inbox and all that share its object."""
    await run_event(event_id, locate=locate, read=read)


async def locate(account: Account, event: StoredEvent) -> Subject | str:
    """Which object the event is about, or why it is none of ours."""
    what = follow(event.type)
    if what is None:
        return NOT_FOLLOWED
    if what is Follow.CUSTOMER:
        if _is_connection_test(event):
            return CONNECTION_TEST
        return Subject(f"customer:{event.object_id}", (event.object_id,))
    stripe_invoice = await _invoice_of(account, event)
    if stripe_invoice is None:
        return NOT_OURS
    related = await linked_ids(account.id, stripe_invoice)
    return Subject(f"invoice:{stripe_invoice}", related)


async def read(account: Account, subject: Subject, events: Sequence[StoredEvent]) -> Reading:
    """Read the object now; the events' own payloads are hints."""
    kind, _, external_id = subject.key.partition(":")
    if kind == "customer":
        return await _read_customer(account, external_id, events)
    return await read_invoice_now(account, external_id, events)


async def read_invoice_now(
    account: Account, stripe_invoice: str, events: Sequence[StoredEvent] = ()
) -> Reading:
    """One read of an invoice with its payments, as facts about ours."""
    try:
        raw = await gateway.retrieve_invoice(account, current_settings(), stripe_invoice)
    except ObjectMissing:
        return Reading(words="Stripe has no such invoice (any more).", ignored=True)
    link = await find_link(account.id, stripe_invoice)
    invoice_id = link.invoice_id if link else await portal_invoice_of(_portal_key(raw))
    if invoice_id is None:
        return Reading(words=NOT_OURS, ignored=True)
    return reading_of_invoice(account, raw, invoice_id, events)


def _is_connection_test(event: StoredEvent) -> bool:
    snapshot: dict[str, Any] = json.loads(event.body)["data"]["object"]
    return bool((snapshot.get("metadata") or {}).get(MARKER))


async def _invoice_of(account: Account, event: StoredEvent) -> str | None:
    snapshot: dict[str, Any] = json.loads(event.body)["data"]["object"]
    pointer = points_at(snapshot)
    known = pointer.invoice or pointer.payment_intent
    if known is None:
        return None
    link = await find_link(account.id, known)
    if link is not None:
        return link.stripe_invoice
    if pointer.invoice is None:
        # An intent that nobody here knows: only Stripe can tell whose invoice it pays.
        found = await gateway.invoice_of_payment_intent(account, current_settings(), known)
        link = await find_link(account.id, found) if found else None
        return link.stripe_invoice if link else None
    ours = snapshot.get("object") == "invoice_payment" or await portal_invoice_of(_portal_key(snapshot))
    return pointer.invoice if ours else None


async def _read_customer(account: Account, external_id: str, events: Sequence[StoredEvent]) -> Reading:
    deleted = any(event.type == "customer.deleted" for event in events)
    try:
        # A deletion is final, so nothing fresher can be read.
        raw = {} if deleted else await gateway.retrieve_customer(account, current_settings(), external_id)
    except ObjectMissing:
        deleted, raw = True, {}
    fact = CustomerSeen(
        external_id=external_id,
        name=raw.get("name"),
        email=raw.get("email"),
        customer_id=await _portal_customer(raw),
        deleted=deleted or bool(raw.get("deleted")),
        occurred_at=datetime.now(UTC),
    )

    async def save(held: Connection) -> None:
        if raw:
            await save_mirror(held, account, raw)

    return Reading(facts=(fact,), save=save)


async def _portal_customer(raw: dict[str, Any]) -> int | None:
    from plugins.stripe.services.customers import portal_customer_of  # noqa: PLC0415 - it publishes, this follows

    return await portal_customer_of((raw.get("metadata") or {}).get("portal_customer"))


def _portal_key(raw: dict[str, Any]) -> str | None:
    key = (raw.get("metadata") or {}).get("portal_invoice")
    return key if isinstance(key, str) else None


class _Thing(msgspec.Struct):
    object: str = ""
    id: str | None = None
    invoice: Any = None
    payment_intent: Any = None


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


def _received(body: bytes, signed_by: int) -> ReceivedEvent:
    event = _decoder.decode(body)
    thing = event.data.object
    pointer = points_at(msgspec.structs.asdict(thing))
    return ReceivedEvent(
        external_id=_short(event.id),
        type=_short(event.type),
        object_kind=_short(thing.object),
        object_id=_short(thing.id or ""),
        group_id=_short(pointer.invoice or pointer.payment_intent or thing.id or ""),
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
