"""What a person should look at, and changes of the account. The events say it all: nothing is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from plugins.stripe.domain.alerts import describe_failed_payout, describe_fraud_warning
from plugins.stripe.domain.invoices import Raw
from plugins.stripe.services.links import find_link
from portal.sdk import Account, AccountChanged, AlertRaised, Reading, StoredEvent

NOT_ALARMING = "Kept for the record: money on its way to your bank account needs nobody."
SAID_ONCE = "Stripe tells of this in an event alone."


async def read_fraud_warning(account: Account, external_id: str, events: Sequence[StoredEvent]) -> Reading:
    """A warning is made once and for all, so its event may be believed as it is."""
    if not events:
        return Reading(words=SAID_ONCE, ignored=True)
    warning = _snapshot(events[-1])
    link = await find_link(account.id, str(warning.get("payment_intent") or ""))
    fact = AlertRaised(
        external_id=external_id,
        kind="fraud_warning",
        words=describe_fraud_warning(warning),
        occurred_at=_time(warning["created"]),
        invoice_id=link.invoice_id if link else None,
    )
    return Reading(facts=(fact,), invoice_id=fact.invoice_id)


async def read_payout(_account: Account, external_id: str, events: Sequence[StoredEvent]) -> Reading:
    """A failed payout stays failed."""
    failed = [event for event in events if event.type == "payout.failed"]
    if not failed:
        return Reading(words=NOT_ALARMING if events else SAID_ONCE, ignored=True)
    payout = _snapshot(failed[-1])
    words = describe_failed_payout(payout)
    fact = AlertRaised(external_id, "payout_failed", words, _time(payout["created"]))
    return Reading(facts=(fact,))


async def read_account(_account: Account, _external_id: str, _events: Sequence[StoredEvent]) -> Reading:
    """The checks find out what changed."""
    return Reading(facts=(AccountChanged(),), words="The account changed in Stripe: its checks run again.")


def _snapshot(event: StoredEvent) -> Raw:
    found: Raw = json.loads(event.body)["data"]["object"]
    return found


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
