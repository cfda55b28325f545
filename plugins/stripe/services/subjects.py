"""Which object an event is about, and how each kind of object is read as it is now."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from plugins.stripe.domain.events import OF_INVOICES, Follow, Pointer, follow, points_at
from plugins.stripe.domain.invoices import Raw, read_invoice
from plugins.stripe.gateway import reads
from plugins.stripe.gateway.client import ObjectMissing
from plugins.stripe.services.links import find_link, group_of, portal_invoice_of
from plugins.stripe.services.readings.alerts import read_account, read_fraud_warning, read_payout
from plugins.stripe.services.readings.customers import PROBE_KEY, read_customer, read_payment_method
from plugins.stripe.services.readings.invoices import reading_of_invoice, reading_of_made_in_stripe
from plugins.stripe.services.readings.mirroring import GONE
from plugins.stripe.services.readings.money_back import facts_of_money_back, money_back_of
from plugins.stripe.services.readings.plans import read_price, read_product
from plugins.stripe.services.readings.subscriptions import read_subscription
from portal.sdk import UNKNOWN_INVOICE, Account, Reading, StoredEvent, Subject, current_settings

NOT_FOLLOWED = "Kept for the record: nothing here follows events of this type."
CONNECTION_TEST = "A test event of the connection check."
NO_INVOICE = "It is about a payment that pays no invoice."
NO_METHOD = "No payment method was saved with it."
NO_OBJECT = "It names no object that could be read."

Reader = Callable[[Account, str, Sequence[StoredEvent]], Awaitable[Reading]]


async def locate(account: Account, event: StoredEvent) -> Subject | str:
    """Which object the event is about, or why it is none that is read."""
    what = follow(event.type)
    if what is None:
        return NOT_FOLLOWED
    if what is Follow.ACCOUNT:
        return Subject(f"{what}:{account.external_id}", (account.external_id, event.object_id))
    snapshot: dict[str, Any] = json.loads(event.body)["data"]["object"]
    pointer = points_at(snapshot)
    if what in OF_INVOICES:
        return await _invoice_of(account, pointer)
    if what is Follow.PAYMENT_METHOD:
        method = pointer.payment_method
        return Subject(f"{what}:{method}", (method,)) if method else NO_METHOD
    if what is Follow.CUSTOMER and (snapshot.get("metadata") or {}).get(PROBE_KEY):
        return CONNECTION_TEST
    return Subject(f"{what}:{event.object_id}", (event.object_id,)) if event.object_id else NO_OBJECT


async def read(account: Account, subject: Subject, events: Sequence[StoredEvent]) -> Reading:
    """Read the object now; the events' own payloads are hints."""
    kind, _, external_id = subject.key.partition(":")
    if kind == Follow.INVOICE:
        return await _invoice_with_money_back(account, external_id, events, whole=subject.whole or not events)
    return await _READERS[Follow(kind)](account, external_id, events)


async def _invoice_with_money_back(
    account: Account, stripe_invoice: str, events: Sequence[StoredEvent], *, whole: bool
) -> Reading:
    """The same with refunds and disputes, when an event told of one or somebody looks."""
    raw = await _retrieved(account, stripe_invoice)
    if raw is None:
        return Reading(words=GONE, ignored=True)
    reading = await _as_facts(account, raw, events)
    if reading.ignored:
        return reading
    back = await money_back_of(account, current_settings(), read_invoice(raw), events=events, whole=whole)
    known = UNKNOWN_INVOICE if reading.invoice_id is None else reading.invoice_id
    facts = (*reading.facts, *await facts_of_money_back(known, back.found))
    # What a right is missing for waits; what else happened to the invoice does not wait with it.
    left = tuple(event for event in events if follow(event.type) in back.missing)
    return replace(reading, facts=facts, left=left, trouble=next(iter(back.missing.values()), None))


async def _retrieved(account: Account, stripe_invoice: str) -> Raw | None:
    try:
        raw = await reads.retrieve_invoice(account, current_settings(), stripe_invoice)
    except ObjectMissing:
        return None
    return None if raw.get("deleted") else raw


async def _as_facts(account: Account, raw: Raw, events: Sequence[StoredEvent]) -> Reading:
    link = await find_link(account.id, str(raw["id"]))
    if link is not None:
        ours = link.invoice_id if link.made_here else None
    else:
        ours = await portal_invoice_of(raw)
    if ours is not None:
        return reading_of_invoice(account, raw, ours, events)
    return reading_of_made_in_stripe(account, raw, events)


async def _invoice_of(account: Account, pointer: Pointer) -> Subject | str:
    known = pointer.invoice or pointer.payment_intent or pointer.charge
    ids = await group_of(account.id, known) if known else ()
    found = ids[0] if ids else pointer.invoice
    if found is None and pointer.payment_intent:
        # An intent that nobody here knows: only Stripe can tell whose invoice it pays.
        found = await reads.invoice_of_payment_intent(account, current_settings(), pointer.payment_intent)
    return Subject(f"{Follow.INVOICE}:{found}", ids or (found,)) if found else NO_INVOICE


_READERS: Mapping[Follow, Reader] = {
    Follow.ACCOUNT: read_account,
    Follow.CUSTOMER: read_customer,
    Follow.FRAUD_WARNING: read_fraud_warning,
    Follow.PAYMENT_METHOD: read_payment_method,
    Follow.PAYOUT: read_payout,
    Follow.PRICE: read_price,
    Follow.PRODUCT: read_product,
    Follow.SUBSCRIPTION: read_subscription,
}
"""How the subject of each kind is read; refunds and disputes are read with their invoice."""
