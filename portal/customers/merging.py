"""Two customers become one: everything of one goes to the other, in one transaction, for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from portal.audit.services import Actor, record
from portal.customers.holding import KEYS, hold_customers
from portal.customers.rules import PROFILE, Merged, merged_profile
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound
from portal.sync.queueing import queue_task
from portal.web.live import announce


@dataclass(frozen=True, slots=True)
class MergePreview:
    """Both sides, what will stand afterwards, and why it cannot be done (empty: it can)."""

    kept_id: int
    gone_id: int
    kept_name: str
    gone_name: str
    fields: tuple[Merged, ...]
    invoices: int
    subscriptions: int
    links: int
    """What goes over to the kept one."""
    done: bool
    """They are one already: nothing is left to do."""
    obstacle: str


async def preview_merge(kept_id: int, gone_id: int) -> MergePreview:
    """What merging would do.

    Raises:
        NotFound: one of them does not exist.
    """
    async with connection() as held:
        rows = await held.fetch("SELECT * FROM customer WHERE id = ANY ($1::bigint[])", [kept_id, gone_id])
        found = {row["id"]: row for row in rows}
        if len(found) < 2:
            raise NotFound("There is no such customer.")
        (counts,) = await held.fetch(_COUNTS, gone_id)
        obstacle = await _obstacle(held, found[kept_id], found[gone_id])
    kept, gone = found[kept_id], found[gone_id]
    return MergePreview(
        kept_id,
        gone_id,
        kept["name"],
        gone["name"],
        merged_profile(kept, gone),
        **dict(counts),
        done=gone["merged_into"] == kept_id,
        obstacle=obstacle,
    )


async def merge_customers(kept_id: int, gone_id: int, *, actor: Actor) -> None:
    """Give everything of `gone` to `kept`, whose values win; empty ones are filled in. It cannot be undone.

    Payments that arrive meanwhile wait, and then stand on the same invoices. Providers are told of values
    that are others there. A second press changes nothing.

    Raises:
        NotFound: one of them does not exist.
        Conflict: one was merged or erased already, or both are linked to the same connection.
    """
    try:
        async with transaction() as tx:
            found = await hold_customers(tx.connection, [kept_id, gone_id])
            if found.get(gone_id) and found[gone_id]["merged_into"] == kept_id:
                return
            if obstacle := await _obstacle(tx.connection, found[kept_id], found[gone_id]):
                raise Conflict(obstacle)
            await _move(tx.connection, kept_id, gone_id)
            await _close(tx.connection, found[kept_id], found[gone_id])
            await _tell(tx.connection, kept_id)
            await _note(tx.connection, kept_id, gone_id, actor)
    except asyncpg.DeadlockDetectedError as error:
        raise Conflict("The customers were in use at that moment.", hint="Try again.") from error


async def _obstacle(held: Connection, kept: Any, gone: Any) -> str:
    if kept["id"] == gone["id"]:
        return "A customer cannot be merged with itself."
    if any(side["merged_into"] for side in (kept, gone)):
        return "One of the two was merged already."
    if any(side["erased_at"] for side in (kept, gone)):
        return "The personal data of one of the two was erased."
    both = await held.fetchval(_LINKED_TWICE, kept["id"], gone["id"])
    return (
        f"{both} has both as customers of its own. Providers do not merge customers, so they stay two here."
        if both
        else ""
    )


async def _move(held: Connection, kept_id: int, gone_id: int) -> None:
    await held.execute(_FORGET_PAIRS, kept_id, gone_id)
    for table, column in KEYS:
        await held.execute(
            f"UPDATE {table} SET {column} = $1 WHERE {column} = $2",  # noqa: S608 - words of ours
            kept_id,
            gone_id,
        )
    await held.execute(
        "UPDATE sync_difference SET subject_id = $1 WHERE subject_kind = 'customer' AND subject_id = $2",
        kept_id,
        gone_id,
    )


async def _close(held: Connection, kept: Any, gone: Any) -> None:
    values = {field.name: field.result for field in merged_profile(kept, gone)}
    await held.execute(
        """
        UPDATE customer SET name = $2, email = $3, address = $4, tax_id = $5,
               updated_at = CASE WHEN (name, email, address, tax_id) = ($2, $3, $4, $5) THEN updated_at
                            ELSE now() END
        WHERE id = $1
        """,
        kept["id"],
        *(values[name] for name in PROFILE),
    )
    await held.execute(
        "UPDATE customer SET merged_into = $2, updated_at = now() WHERE id = $1", gone["id"], kept["id"]
    )


async def _tell(held: Connection, kept_id: int) -> None:
    """Only who has other values hears of it."""
    for row in await held.fetch(_OTHER_VALUES, kept_id):
        await queue_task(held, account_id=row["account"], kind="push_customer", subject_id=kept_id)


async def _note(held: Connection, kept_id: int, gone_id: int, actor: Actor) -> None:
    for one, words in (
        (gone_id, f"Merged into customer {kept_id}."),
        (kept_id, f"Took over everything of customer {gone_id}."),
    ):
        await record(
            held,
            actor=actor,
            action="customer.merged",
            words=words,
            subject=("customer", one),
            details={"kept": kept_id, "merged": gone_id},
        )
        await announce(held, f"customer:{one}")


_COUNTS = """
SELECT (SELECT count(*) FROM invoice WHERE customer = $1) AS invoices,
       (SELECT count(*) FROM subscription WHERE customer = $1) AS subscriptions,
       (SELECT count(*) FROM customer_link WHERE customer = $1) AS links
"""
_LINKED_TWICE = """
SELECT a.title FROM customer_link k JOIN customer_link g ON g.account = k.account
JOIN connected_account a ON a.id = k.account
WHERE k.customer = $1 AND g.customer = $2 AND NOT k.deleted AND NOT g.deleted LIMIT 1
"""
_FORGET_PAIRS = """
DELETE FROM customer_apart p
WHERE (p.customer, p.other) IN (($1, $2), ($2, $1))
   OR p.customer = $2 AND EXISTS (
       SELECT FROM customer_apart k WHERE k.customer = $1
              AND (k.link, k.other) IS NOT DISTINCT FROM (p.link, p.other))
   OR p.other = $2 AND EXISTS (
       SELECT FROM customer_apart k WHERE k.other = $1 AND k.customer = p.customer)
"""
_OTHER_VALUES = """
SELECT DISTINCT l.account FROM customer_link l
JOIN customer c ON c.id = l.customer JOIN connected_account a ON a.id = l.account
WHERE c.id = $1 AND NOT l.deleted AND a.state <> 'disconnected' AND (l.name, l.email) <> (c.name, c.email)
ORDER BY l.account
"""
