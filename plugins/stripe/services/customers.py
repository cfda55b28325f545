"""Stripe's customer for one of ours: found by its link, else made once."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from plugins.stripe.domain.invoices import Raw
from plugins.stripe.gateway import payments as gateway
from plugins.stripe.gateway.payments import Buyer
from portal.sdk import (
    Account,
    Mode,
    Task,
    connection,
    current_settings,
    tell_providers,
    transaction,
)

CLOCKS_APART = timedelta(minutes=5)
"""What was made for a task may seem to be that much older than the task."""
PAGES = {"customer": "customers", "subscription": "subscriptions", "plan": "prices"}
"""Rooms of Stripe's Dashboard."""


async def stripe_customer_for(account: Account, buyer: Buyer, task: Task) -> str:
    """The id of Stripe's customer for one of ours; made when there is none.

    Raises:
        ProviderError: Stripe did not take it; safe to call again, the idempotency key stays the same.
    """
    known = await _linked(account.id, buyer.customer_id)
    if known:
        return known
    settings = current_settings()
    made = None if task.first else await _made_before(account, buyer, task)
    if made is None:
        # Under the key of a customer that was deleted or unlinked since, Stripe would hand it out again.
        gone = await _gone(account.id, buyer.customer_id)
        after = f":after{gone}" if gone else ""
        key = f"portal:{account.id}:{account.mode}:customer:{buyer.customer_key}{after}{task.key_suffix}"
        made = await gateway.create_customer(account, settings, key=key, buyer=buyer)
    return await _link(account, buyer, made)


async def _made_before(account: Account, buyer: Buyer, task: Task) -> Raw | None:
    return await gateway.find_customer(
        account,
        current_settings(),
        customer_key=buyer.customer_key,
        since=task.created_at - CLOCKS_APART,
    )


async def forget_customer(account: Account, external_id: str) -> None:
    """Note that Stripe has this customer no more, as its event will tell or would have told."""
    async with connection() as held:
        await held.execute(
            "UPDATE customer_link SET deleted = true WHERE account = $1 AND external_id = $2",
            account.id,
            external_id,
        )


def dashboard_page(mode: Mode, kind: str, external_id: str) -> str:
    """Where people see an object in Stripe; nowhere for the sandbox's, which Stripe does not know."""
    if kind not in PAGES or current_settings().plugin_option("stripe", "api_base"):
        return ""
    room = "test/" if mode is Mode.TEST else ""
    return f"https://dashboard.stripe.com/{room}{PAGES[kind]}/{quote(external_id, safe='')}"


async def _linked(account_id: int, customer_id: int) -> str | None:
    async with connection() as held:
        found: str | None = await held.fetchval(
            "SELECT external_id FROM customer_link WHERE account = $1 AND customer = $2 AND NOT deleted",
            account_id,
            customer_id,
        )
    return found


async def _gone(account_id: int, customer_id: int) -> int:
    async with connection() as held:
        found: int = await held.fetchval(
            """
            SELECT count(*) FROM customer_link
            WHERE account = $1 AND (customer = $2 AND deleted OR unlinked_from = $2)
            """,
            account_id,
            customer_id,
        )
    return found


async def _link(account: Account, buyer: Buyer, made: Raw) -> str:
    """Store the link; whoever was first wins, so two tasks agree on one customer.

    What Stripe has may be what stood here when an earlier attempt sent it: then what stands here now follows.
    """
    external_id, known = str(made["id"]), (made.get("name") or "", made.get("email") or "")
    async with transaction() as tx:
        await tx.connection.execute(
            """
            INSERT INTO customer_link AS old (account, mode, external_id, customer, name, email, seen_at)
            VALUES ($1, $2, $3, $4, $5, $6, now())
            ON CONFLICT ON CONSTRAINT customer_link_external DO UPDATE SET customer = excluded.customer
            WHERE old.customer IS NULL AND old.unlinked_from IS NULL
            """,
            account.id,
            account.mode.value,
            external_id,
            buyer.customer_id,
            *known,
        )
        if known != (buyer.customer_name, buyer.customer_email or ""):
            await tell_providers(tx.connection, buyer.customer_id)
    return await _linked(account.id, buyer.customer_id) or external_id
