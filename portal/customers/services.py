"""What a person does to a customer. Each verb is one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.audit.services import Actor, record
from portal.customers.rules import FIELD_WORDS, PROFILE
from portal.database.transaction import Connection, transaction
from portal.errors import Conflict, NotFound
from portal.sync.queueing import queue_task
from portal.web.live import announce


@dataclass(frozen=True, slots=True)
class CustomerProfile:
    """What a person may write about a customer. All but the name may be empty."""

    name: str
    email: str
    address: str = ""
    """Lines, as printed on invoices."""
    tax_id: str = ""


async def create_customer(profile: CustomerProfile, *, actor: Actor) -> int:
    """Add a customer; returns the id. Two customers may share an address: companies do."""
    async with transaction() as tx:
        customer_id: int = await tx.connection.fetchval(
            """
            INSERT INTO customer (name, email, address, tax_id, created_at, updated_at)
            VALUES ($1, $2, $3, $4, now(), now()) RETURNING id
            """,
            *_values(profile),
        )
        await record(
            tx.connection,
            actor=actor,
            action="customer.created",
            words="Added the customer.",
            subject=("customer", customer_id),
        )
    return customer_id


async def update_customer(
    customer_id: int, profile: CustomerProfile, *, version: datetime, actor: Actor
) -> None:
    """Change the profile; name and email address at every provider that has the customer, too.

    Saving what is there already changes nothing.

    Args:
        customer_id: whom.
        profile: the new values.
        version: `updated_at` as the form was filled from.
        actor: who.

    Raises:
        NotFound: there is no such customer.
        Conflict: somebody saved the customer since, and the message has their values; or it was merged or
            erased.
    """
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            "SELECT * FROM customer WHERE id = $1 FOR NO KEY UPDATE", customer_id
        )
        if row is None:
            raise NotFound("There is no such customer.")
        _must_be_here(row)
        stored = CustomerProfile(*(row[name] for name in PROFILE))
        if stored == profile:
            return
        if row["updated_at"] != version:
            raise _changed_meanwhile(stored, profile)
        await tx.connection.execute(
            """
            UPDATE customer SET name = $2, email = $3, address = $4, tax_id = $5, updated_at = now()
            WHERE id = $1
            """,
            customer_id,
            *_values(profile),
        )
        await record(
            tx.connection,
            actor=actor,
            action="customer.edited",
            words=f"Changed {_changed(stored, profile)}.",
            subject=("customer", customer_id),
        )
        if (stored.name, stored.email) != (profile.name, profile.email):
            await tell_providers(tx.connection, customer_id)
        await announce(tx.connection, f"customer:{customer_id}")


def _changed_meanwhile(stored: CustomerProfile, wished: CustomerProfile) -> Conflict:
    return Conflict(
        f"Somebody else changed this customer: it is now {_described(stored)}.",
        hint=f"You wrote {_described(wished)}. Load the page again to decide.",
    )


async def tell_providers(held: Connection, customer_id: int, *, apart_from: int | None = None) -> None:
    """Queue what brings the customer's name and address to everybody who has the customer.

    `apart_from`: the connection that said so.
    """
    rows = await held.fetch(
        """
        SELECT DISTINCT l.account FROM customer_link l JOIN connected_account a ON a.id = l.account
        WHERE l.customer = $1 AND NOT l.deleted AND a.state <> 'disconnected' AND a.id IS DISTINCT FROM $2
        ORDER BY l.account
        """,
        customer_id,
        apart_from,
    )
    for row in rows:
        await queue_task(held, account_id=row["account"], kind="push_customer", subject_id=customer_id)


def _must_be_here(row: Any) -> None:
    if row["merged_into"]:
        raise Conflict("This customer was merged into another one.", hint="Load the page again.")
    if row["erased_at"]:
        raise Conflict("The personal data of this customer were erased.", hint="Add a new customer.")


def _values(profile: CustomerProfile) -> tuple[str, ...]:
    return tuple(getattr(profile, name) for name in PROFILE)


def _changed(before: CustomerProfile, after: CustomerProfile) -> str:
    """Which fields changed. The log keeps for ever what it says, so it does not say the values."""
    names = [name for name in PROFILE if getattr(before, name) != getattr(after, name)]
    return " and ".join(FIELD_WORDS[name] for name in names)


def _described(profile: CustomerProfile) -> str:
    first = (
        f"{profile.name}, {profile.email}" if profile.email else f"{profile.name}, without an email address"
    )
    rest = (", ".join(profile.address.splitlines()), profile.tax_id)
    return ", ".join((first, *filter(None, rest)))
