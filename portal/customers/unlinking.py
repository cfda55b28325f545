"""A provider's customer that was linked to the wrong one of ours stands alone again.

What happened between the two stays where it is. From then on nothing links them by itself, neither an event
nor what the provider's customer claims: one with the same email address is proposed, and a person decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from portal.audit.services import Actor, record
from portal.contract.facts import Mode
from portal.contract.loading import provider_title
from portal.customers.holding import hold_customers
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound
from portal.sync.differences import close_differences
from portal.web.live import announce

HOLDS = (
    ("owed", "invoice that can still be paid", "invoices that can still be paid"),
    ("subscribed", "subscription that has not ended", "subscriptions that have not ended"),
    ("starting", "subscription that is being started", "subscriptions that are being started"),
    ("returning", "refund that is under way", "refunds that are under way"),
)
"""What depends on a link: its count, one in words, and several."""


@dataclass(frozen=True, slots=True)
class UnlinkPreview:
    """Both sides, what is settled between them, and why they cannot be taken apart (empty: they can)."""

    customer_id: int
    link_id: int
    name: str
    email: str
    their_name: str
    their_email: str
    external_id: str
    provider: str
    """`Stripe`."""
    account_title: str
    mode: Mode
    invoices: int
    """Invoices of the connection, which stay with our customer."""
    methods: int
    """Saved ways to pay, which are the provider's customer's."""
    done: bool
    obstacle: str


async def preview_unlink(customer_id: int, link_id: int) -> UnlinkPreview:
    """What unlinking would do.

    Raises:
        NotFound: there is no such customer, or the link is not and was not theirs.
    """
    async with connection() as held:
        row = await _find(held, customer_id, link_id)
        (counts,) = await held.fetch(_COUNTS, customer_id, row["account"], row["external_id"])
        obstacle = await _obstacle(held, row)
    return UnlinkPreview(
        customer_id,
        link_id,
        name=row["our_name"],
        email=row["our_email"],
        their_name=row["name"],
        their_email=row["email"],
        external_id=row["external_id"],
        provider=provider_title(row["plugin"]),
        account_title=row["title"],
        mode=Mode(row["mode"]),
        **dict(counts),
        done=row["customer"] != customer_id,
        obstacle=obstacle,
    )


async def unlink_customer(customer_id: int, link_id: int, *, actor: Actor) -> None:
    """Take the two apart, in one transaction. A second press changes nothing.

    Raises:
        NotFound: there is no such customer, or the link is not and was not theirs.
        Conflict: something that is open depends on the link, or it has to stay.
    """
    try:
        async with transaction() as tx:
            await hold_customers(tx.connection, [customer_id])
            row = await _find(tx.connection, customer_id, link_id)
            if row["customer"] != customer_id:
                return
            if obstacle := await _obstacle(tx.connection, row):
                raise Conflict(obstacle)
            await tx.connection.execute(_UNLINK, link_id)
            await close_differences(tx.connection, row["account"], row["external_id"])
            await _note(tx.connection, row, actor)
    except asyncpg.DeadlockDetectedError as error:
        raise Conflict("The customer was in use at that moment.", hint="Try again.") from error


async def _find(held: Connection, customer_id: int, link_id: int) -> Any:
    row = await held.fetchrow(_LINK, customer_id, link_id)
    if row is None:
        raise NotFound("There is no such link.")
    return row


async def _obstacle(held: Connection, row: Any) -> str:
    if row["erased_at"]:
        return "The personal data of this customer were erased: the link tells what to leave out."
    if row["deleted"]:
        return f"{provider_title(row['plugin'])} deleted its customer: nothing follows it any more."
    (open_,) = await held.fetch(_OPEN, row["our_id"], row["account"], row["external_id"])
    found = [f"{open_[name]} {one if open_[name] == 1 else many}" for name, one, many in HOLDS if open_[name]]
    return f"The link is needed for {_listed(found)}. Let that come to its end first." if found else ""


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


async def _note(held: Connection, row: Any, actor: Actor) -> None:
    await record(
        held,
        actor=actor,
        action="customer.unlinked",
        words=f"Unlinked from {row['external_id']} of {row['title']}.",
        subject=("customer", row["our_id"]),
        mode=row["mode"],
        details={"external_id": row["external_id"]},
    )
    await announce(held, f"customer:{row['our_id']}")


_LINK = """
SELECT l.*, a.title, a.plugin, c.id AS our_id, c.name AS our_name, c.email AS our_email, c.erased_at
FROM customer_link l JOIN customer c ON c.id = $1 JOIN connected_account a ON a.id = l.account
WHERE l.id = $2 AND c.id IN (l.customer, l.unlinked_from)
"""
_UNLINK = """
UPDATE customer_link SET customer = NULL, unlinked_from = customer, sent_name = NULL, sent_email = NULL
WHERE id = $1
"""
_COUNTS = """
SELECT (SELECT count(*) FROM invoice WHERE customer = $1 AND account = $2) AS invoices,
       (SELECT count(*) FROM payment_method WHERE account = $2 AND customer_external_id = $3) AS methods
"""
_OPEN = """
SELECT (SELECT count(*) FROM invoice WHERE customer = $1 AND account = $2
        AND status IN ('open', 'partly_paid', 'processing', 'uncollectible')) AS owed,
       (SELECT count(*) FROM subscription WHERE account = $2 AND customer_external_id = $3
        AND status NOT IN ('canceled', 'incomplete_expired')) AS subscribed,
       (SELECT count(*) FROM subscription_order
        WHERE account = $2 AND customer = $1 AND status = 'asked') AS starting,
       (SELECT count(*) FROM refund r JOIN invoice i ON i.id = r.invoice
        WHERE i.customer = $1 AND r.account = $2
          AND r.status IN ('requested', 'pending', 'requires_action')) AS returning
"""
