"""Events that the provider lists and that were never delivered: stored once, as intake stores deliveries."""

from __future__ import annotations

from collections.abc import Sequence

from portal.contract.accounts import Account
from portal.contract.work import ListedEvent
from portal.database.transaction import Connection
from portal.webhooks.batches import NewEvent
from portal.webhooks.inserts import store_events, trouble_with


async def store_listed(held: Connection, account: Account, events: Sequence[ListedEvent]) -> int:
    """Store those that are not known, oldest first, and ring for them; returns how many there were.

    Args:
        held: in a transaction.
        account: whose list it is.
        events: newest first, as providers list them.
    """
    new = [_new_event(account, listed) for listed in reversed(events)]
    stored = await store_events(held, new, origin="list")
    return sum(isinstance(one, int) for one in stored)


def _new_event(account: Account, listed: ListedEvent) -> NewEvent:
    # No version: whoever holds the connection's key asked for it, so no signing secret has to prove it.
    return NewEvent(account.id, None, listed.event, listed.body, trouble_with(account, listed.event))
