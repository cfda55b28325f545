"""What a subscription is to be charged to, as its customer agreed; the newest word counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portal.audit.sources import Source
from portal.contract.facts import MethodAgreed, SubscriptionSeen
from portal.contract.orders import MethodWish
from portal.database.transaction import Connection, connection
from portal.errors import NotFound
from portal.subscriptions.rules import ENDED
from portal.sync.queueing import queue_task
from portal.web.live import announce


def is_newer(agreed_at: datetime, known: datetime | None) -> bool:
    """Whether a word takes the place of the one that is known. Of the same moment, the first one stays."""
    return known is None or agreed_at > known


async def apply_method_agreed(held: Connection, source: Source, fact: MethodAgreed) -> str:
    """Note the wish and queue it for the provider in the caller's transaction; what changed, in words."""
    row = await held.fetchrow(
        """
        SELECT id, status, method_agreed_at FROM subscription
        WHERE account = $1 AND external_id = $2 FOR UPDATE
        """,
        source.account_id,
        fact.subscription_external_id,
    )
    if row is None or row["status"] in ENDED or not is_newer(fact.agreed_at, row["method_agreed_at"]):
        return ""
    await held.execute(
        "UPDATE subscription SET wish_method_external_id = $2, method_agreed_at = $3 WHERE id = $1",
        row["id"],
        fact.method_external_id,
        fact.agreed_at,
    )
    await queue_task(held, account_id=source.account_id, kind="use_method", subject_id=row["id"])
    words = f"The customer agreed that it is charged to {await _named(held, source, fact)} from now on."
    details = {"method": fact.method_external_id, "agreed_at": fact.agreed_at.isoformat()}
    source.note(("subscription.method_agreed", words), ("subscription", row["id"]), details)
    source.announce(f"subscription:{row['id']}")
    return words


async def end_method_wish(held: Connection, before: Mapping[str, Any], fact: SubscriptionSeen) -> str:
    """Forget a wish that came true. An ended subscription leaves nothing to wish for."""
    wish = before["wish_method_external_id"]
    if not wish or (fact.method_external_id != wish and fact.status not in ENDED):
        return ""
    await held.execute("UPDATE subscription SET wish_method_external_id = '' WHERE id = $1", before["id"])
    await announce(held, f"subscription:{before['id']}")
    return "It is charged to what the customer agreed to."


async def method_wish(subscription_id: int) -> MethodWish:
    """What a task is to bring about, as it is wished now.

    Raises:
        NotFound: there is no such subscription.
    """
    async with connection() as held:
        row = await held.fetchrow(
            "SELECT external_id, wish_method_external_id FROM subscription WHERE id = $1", subscription_id
        )
    if row is None:
        raise NotFound("There is no such subscription.")
    return MethodWish(row["external_id"], row["wish_method_external_id"])


async def _named(held: Connection, source: Source, fact: MethodAgreed) -> str:
    words: str | None = await held.fetchval(
        "SELECT words FROM payment_method WHERE account = $1 AND external_id = $2",
        source.account_id,
        fact.method_external_id,
    )
    return words or "another method"
