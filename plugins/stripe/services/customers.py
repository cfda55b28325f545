"""Stripe's customer for one of ours: found by its link, else made once."""

from __future__ import annotations

from plugins.stripe.gateway import payments as gateway
from portal.sdk import Account, PayableInvoice, Task, connection, current_settings


async def stripe_customer_for(account: Account, invoice: PayableInvoice, task: Task) -> str:
    """The id of Stripe's customer for the invoice's customer; made when there is none.

    Raises:
        ProviderError: Stripe did not take it; safe to call again, the idempotency key stays the same.
    """
    known = await _linked(account.id, invoice.customer_id)
    if known:
        return known
    settings = current_settings()
    made = None if task.first else await gateway.find_customer(account, settings, invoice=invoice)
    if made is None:
        # Under the key of a customer that was deleted since, Stripe would hand out the deleted one again.
        gone = await _deleted(account.id, invoice.customer_id)
        after = f":after{gone}" if gone else ""
        key = f"portal:{account.id}:{account.mode}:customer:{invoice.customer_key}{after}{task.key_suffix}"
        made = await gateway.create_customer(account, settings, key=key, invoice=invoice)
    return await _link(account, invoice, str(made["id"]))


async def forget_customer(account: Account, external_id: str) -> None:
    """Note that Stripe has this customer no more, as its event will tell or would have told."""
    async with connection() as held:
        await held.execute(
            "UPDATE customer_link SET deleted = true WHERE account = $1 AND external_id = $2",
            account.id,
            external_id,
        )


async def portal_customer_of(portal_key: object) -> int | None:
    """Our customer's id when the metadata names one of this installation."""
    instance, _, number = (portal_key if isinstance(portal_key, str) else "").rpartition(":")
    if not instance or not number.isdecimal():
        return None
    async with connection() as held:
        found: int | None = await held.fetchval(
            "SELECT c.id FROM customer c, organisation o WHERE o.instance_id::text = $1 AND c.id = $2",
            instance,
            int(number),
        )
    return found


async def _linked(account_id: int, customer_id: int) -> str | None:
    async with connection() as held:
        found: str | None = await held.fetchval(
            "SELECT external_id FROM customer_link WHERE account = $1 AND customer = $2 AND NOT deleted",
            account_id,
            customer_id,
        )
    return found


async def _deleted(account_id: int, customer_id: int) -> int:
    async with connection() as held:
        found: int = await held.fetchval(
            "SELECT count(*) FROM customer_link WHERE account = $1 AND customer = $2 AND deleted",
            account_id,
            customer_id,
        )
    return found


async def _link(account: Account, invoice: PayableInvoice, external_id: str) -> str:
    """Store the link; whoever was first wins, so two tasks agree on one customer."""
    async with connection() as held:
        await held.execute(
            """
            INSERT INTO customer_link AS old (account, mode, external_id, customer, name, email, seen_at)
            VALUES ($1, $2, $3, $4, $5, $6, now())
            ON CONFLICT ON CONSTRAINT customer_link_external DO UPDATE SET customer = excluded.customer
            WHERE old.customer IS NULL
            """,
            account.id,
            account.mode.value,
            external_id,
            invoice.customer_id,
            invoice.customer_name,
            invoice.customer_email or "",
        )
    return await _linked(account.id, invoice.customer_id) or external_id
