"""What a person does to a customer. Each verb is one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.audit.services import Actor, record
from portal.database.transaction import transaction
from portal.errors import Conflict, NotFound
from portal.web.live import announce


@dataclass(frozen=True, slots=True)
class CustomerProfile:
    """What a person may write about a customer. `email` may be empty."""

    name: str
    email: str


async def create_customer(profile: CustomerProfile, *, actor: Actor) -> int:
    """Add a customer; returns the id. Two customers may share an address: companies do."""
    async with transaction() as tx:
        customer_id: int = await tx.connection.fetchval(
            """
            INSERT INTO customer (name, email, created_at, updated_at)
            VALUES ($1, $2, now(), now()) RETURNING id
            """,
            profile.name,
            profile.email,
        )
        await record(
            tx.connection,
            actor=actor,
            action="customer.created",
            words=f"Added the customer {profile.name}.",
            subject=("customer", customer_id),
        )
    return customer_id


async def update_customer(
    customer_id: int, profile: CustomerProfile, *, version: datetime, actor: Actor
) -> None:
    """Change name and address. Saving what is there already changes nothing.

    Args:
        customer_id: whom.
        profile: the new values.
        version: `updated_at` as the form was filled from.
        actor: who.

    Raises:
        NotFound: there is no such customer.
        Conflict: somebody saved the customer since; the message has their values.
    """
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            "SELECT name, email, updated_at FROM customer WHERE id = $1 FOR UPDATE", customer_id
        )
        if row is None:
            raise NotFound("There is no such customer.")
        stored = CustomerProfile(row["name"], row["email"])
        if stored == profile:
            return
        if row["updated_at"] != version:
            raise Conflict(
                f"Somebody else changed this customer: it is now {_described(stored)}.",
                hint=f"You wrote {_described(profile)}. Load the page again to decide.",
            )
        await tx.connection.execute(
            "UPDATE customer SET name = $2, email = $3, updated_at = now() WHERE id = $1",
            customer_id,
            profile.name,
            profile.email,
        )
        await record(
            tx.connection,
            actor=actor,
            action="customer.edited",
            words=f"Changed the customer {profile.name}.",
            subject=("customer", customer_id),
            details={"before": _described(stored), "after": _described(profile)},
        )
        await announce(tx.connection, f"customer:{customer_id}")


def _described(profile: CustomerProfile) -> str:
    return (
        f"{profile.name}, {profile.email}" if profile.email else f"{profile.name}, without an e-mail address"
    )
