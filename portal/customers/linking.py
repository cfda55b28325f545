"""What a person decides about two who may be the same: link them, or keep them apart."""

from __future__ import annotations

from typing import Any

import asyncpg

from portal.audit.services import Actor, record
from portal.contract.loading import provider_title
from portal.customers.services import tell_providers
from portal.database.transaction import Connection, transaction
from portal.errors import Conflict, NotFound
from portal.web.live import announce


async def link_customer(customer_id: int, link_id: int, *, actor: Actor) -> None:
    """Say that a provider's customer is this one of ours. Name and address of ours count from then on.

    A second press changes nothing.

    Raises:
        NotFound: there is no such customer, here or there.
        Conflict: one of them was merged, erased, deleted or linked otherwise, or the addresses differ now.
    """
    try:
        async with transaction() as tx:
            link, customer = await _hold(tx.connection, customer_id, link_id)
            if link["customer"] == customer_id:
                return
            await _check(tx.connection, link, customer)
            await tx.connection.execute(
                "UPDATE customer_link SET customer = $2, unlinked_from = NULL WHERE id = $1",
                link_id,
                customer_id,
            )
            await _note(tx.connection, link, customer_id, "linked", actor=actor)
            if (link["name"], link["email"]) != (customer["name"], customer["email"]):
                await tell_providers(tx.connection, customer_id)
    except asyncpg.UniqueViolationError as error:  # an invoice was just sent there, which made another one
        raise _taken("The provider") from error


async def keep_apart(customer_id: int, link_id: int, *, actor: Actor) -> None:
    """Say that a provider's customer is somebody else: it is not proposed again.

    Raises:
        NotFound: there is no such customer, here or there.
        Conflict: it was linked meanwhile.
    """
    async with transaction() as tx:
        link, _ = await _hold(tx.connection, customer_id, link_id)
        if link["customer"] is not None:
            raise Conflict("It is linked to a customer already.", hint="Load the page again.")
        if await _keep(tx.connection, customer_id, link=link_id):
            await _note(tx.connection, link, customer_id, "kept_apart", actor=actor)


async def keep_twins_apart(customer_id: int, other_id: int, *, actor: Actor) -> None:
    """Say that two customers of ours are two: merging them is not proposed again.

    Raises:
        NotFound: there is no such customer.
    """
    async with transaction() as tx:
        rows = await tx.connection.fetch(
            "SELECT id FROM customer WHERE id = ANY ($1::bigint[]) ORDER BY id FOR KEY SHARE",
            [customer_id, other_id],
        )
        if len(rows) < 2:
            raise NotFound("There is no such customer.")
        if await _keep(tx.connection, min(customer_id, other_id), other=max(customer_id, other_id)):
            for one, other in ((customer_id, other_id), (other_id, customer_id)):
                await record(
                    tx.connection,
                    actor=actor,
                    action="customer.kept_apart",
                    words=f"Customer {other} has the same email address and is somebody else.",
                    subject=("customer", one),
                )
                await announce(tx.connection, f"customer:{one}")


async def _hold(held: Connection, customer_id: int, link_id: int) -> tuple[Any, Any]:
    """The link first, as readings lock them."""
    link = await held.fetchrow(
        """
        SELECT l.*, a.title, a.plugin FROM customer_link l JOIN connected_account a ON a.id = l.account
        WHERE l.id = $1 FOR UPDATE OF l
        """,
        link_id,
    )
    customer = await held.fetchrow("SELECT * FROM customer WHERE id = $1 FOR NO KEY UPDATE", customer_id)
    if link is None or customer is None:
        raise NotFound("There is no such customer.")
    return link, customer


async def _check(held: Connection, link: Any, customer: Any) -> None:
    provider = provider_title(link["plugin"])
    if customer["merged_into"] or customer["erased_at"]:
        raise Conflict("This customer was merged or erased meanwhile.", hint="Load the page again.")
    if link["deleted"]:
        raise Conflict(f"{provider} deleted its customer meanwhile.", hint="Load the page again.")
    if link["customer"] is not None:
        raise Conflict(
            f"{provider}'s customer is linked to another one here.",
            hint="If the two are the same, merge them.",
        )
    if link["email"].lower() != customer["email"].lower():
        raise Conflict(
            "The email addresses are not the same any more.", hint="Load the page again and compare."
        )
    if await held.fetchval(
        "SELECT EXISTS (SELECT FROM customer_link WHERE account = $1 AND customer = $2 AND NOT deleted)",
        link["account"],
        customer["id"],
    ):
        raise _taken(link["title"])


def _taken(where: str) -> Conflict:
    return Conflict(
        f"{where} has another customer linked to this one.",
        hint="A customer here is linked to one customer of a connection at most. Keep the two apart.",
    )


async def _keep(
    held: Connection, customer_id: int, *, link: int | None = None, other: int | None = None
) -> bool:
    return bool(
        await held.fetchval(
            """
            INSERT INTO customer_apart (customer, link, other, decided_at) VALUES ($1, $2, $3, now())
            ON CONFLICT ON CONSTRAINT customer_apart_once DO NOTHING RETURNING true
            """,
            customer_id,
            link,
            other,
        )
    )


async def _note(held: Connection, link: Any, customer_id: int, what: str, *, actor: Actor) -> None:
    there = f"{link['external_id']} of {link['title']}"
    words = f"Linked to {there}." if what == "linked" else f"{there} is somebody else."
    await record(
        held,
        actor=actor,
        action=f"customer.{what}",
        words=words,
        subject=("customer", customer_id),
        mode=link["mode"],
        details={"external_id": link["external_id"]},
    )
    await announce(held, f"customer:{customer_id}")
