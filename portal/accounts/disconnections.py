"""Ending a connection: what it will do, from real rows, and doing it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from asyncpg import Record

from portal.accounts.check_runs import subject_of_account
from portal.accounts.rechecks import saved_endpoint_url
from portal.accounts.services import DISCONNECTED, AccountDisconnected, load_account
from portal.audit.services import Actor, record
from portal.contract.accounts import Account
from portal.contract.descriptions import Effect
from portal.contract.plugin import Plugin
from portal.database.transaction import Connection, connection, transaction
from portal.errors import NotFound, PortalError
from portal.money import Money
from portal.security.sealing import SealBroken
from portal.settings import current_settings

PLUGIN_SECONDS = 8.0
logger = logging.getLogger("portal.accounts")


async def consequences(account_id: int, plugin: Plugin) -> list[Effect]:
    """What disconnecting will do here and at the provider, the most costly first."""
    title = plugin.manifest.title
    async with connection() as held:
        ours = [*await _pay_links(held, account_id), *await _work_left(held, account_id, title)]
    return [
        *ours,
        Effect(f"Webhooks from {title} will be refused, so payments made there will not show here."),
        *await _at_provider(account_id, plugin),
        Effect("The keys are erased here. Invoices, payments and the event log are kept."),
    ]


@dataclass(frozen=True, slots=True)
class Ended:
    """What a disconnect did. `whole` is False when something that was asked for could not be done."""

    words: str
    whole: bool


async def disconnect(
    account_id: int, plugin: Plugin, *, actor: Actor, remove_endpoint: bool = False
) -> Ended:
    """End the connection at once and erase its secrets; then, if asked, delete its endpoint at the provider.

    Raises:
        NotFound: there is no such connection.
        AccountDisconnected: somebody was faster.
    """
    last_use = await _for_a_last_call(account_id, plugin) if remove_endpoint else None
    provider = plugin.manifest.title
    async with transaction() as tx:
        row = await _locked(tx.connection, account_id)
        await _erase(tx.connection, account_id)
        await record(
            tx.connection,
            actor=actor,
            action="account.disconnected",
            words=f"Disconnected {provider} account {row['title']} ({row['mode']} mode).",
            subject=("connected_account", account_id),
            mode=row["mode"],
        )
    await _drop_work(account_id)
    words = f"{provider} disconnected. Its keys are erased, {row['title']}'s history is kept."
    if not remove_endpoint:
        return Ended(words, whole=True)
    removed = last_use is not None and await _remove_endpoint(plugin, *last_use)
    return Ended(f"{words} {_endpoint_words(provider, removed=removed)}", whole=removed)


async def _for_a_last_call(account_id: int, plugin: Plugin) -> tuple[Account, str] | None:
    """The account with its key, for the one call after everything is erased here."""
    try:
        return await load_account(account_id), await saved_endpoint_url(account_id, plugin)
    except SealBroken:
        return None


async def _remove_endpoint(plugin: Plugin, account: Account, url: str) -> bool:
    try:
        async with asyncio.timeout(PLUGIN_SECONDS):
            await plugin.remove_endpoint(account, url, current_settings())
    except (PortalError, TimeoutError):
        return False
    return True


def _endpoint_words(provider: str, *, removed: bool) -> str:
    if removed:
        return f"The webhook endpoint is deleted at {provider}."
    return f"The webhook endpoint could not be deleted: delete it at {provider} yourself."


async def _pay_links(held: Connection, account_id: int) -> list[Effect]:
    rows = await held.fetch(
        """
        SELECT currency, count(*) AS invoices,
               sum(total_minor - amount_paid_minor - amount_returned_minor)::bigint AS due
        FROM invoice
        WHERE account = $1 AND status IN ('open', 'partly_paid', 'processing')
              AND pay_token_hash IS NOT NULL AND pay_link_expires_at > now()
        GROUP BY currency ORDER BY due DESC
        """,
        account_id,
    )
    if not rows:
        return [Effect("No pay link is open, so nobody is about to pay.")]
    count = sum(row["invoices"] for row in rows)
    sums = " and ".join(Money(row["due"], row["currency"]).format() for row in rows)
    return [Effect(f"Pay links stop working now: {_counted(count, 'open invoice')}, {sums}.")]


async def _work_left(held: Connection, account_id: int, title: str) -> list[Effect]:
    row = await held.fetchrow(
        """
        SELECT (SELECT count(*) FROM payment_attempt WHERE account = $1 AND state = 'processing') AS underway,
               (SELECT count(*) FROM webhook_event WHERE account = $1 AND state = 'received') AS events,
               (SELECT count(*) FROM sync_task WHERE account = $1 AND state = 'waiting') AS tasks
        """,
        account_id,
    )
    return [Effect(text) for text in _left_words(row, title)] if row else []


def _left_words(row: Record, title: str) -> list[str]:
    words = []
    if row["underway"]:
        words.append(f"{_counted(row['underway'], 'payment')} under way will end without showing here.")
    if row["events"]:
        words.append(f"{_counted(row['events'], 'event')} waiting to be handled will be ignored.")
    if row["tasks"]:
        words.append(f"{_counted(row['tasks'], 'change')} waiting for {title} will not be sent.")
    return words


async def _at_provider(account_id: int, plugin: Plugin) -> Sequence[Effect]:
    """The plugin's own effects. Disconnecting must be possible when the provider or the key fails."""
    try:
        async with asyncio.timeout(PLUGIN_SECONDS):
            return await plugin.disconnect_effects(await load_account(account_id))
    except (PortalError, TimeoutError):
        return [
            Effect(f"{plugin.manifest.title} could not be asked what goes on there. Nothing is cancelled.")
        ]


async def _locked(held: Connection, account_id: int) -> Record:
    # Those who write what they read with its key are not waited for: a backfill always writes some page.
    row: Record | None = await held.fetchrow(
        "SELECT title, mode, state FROM connected_account WHERE id = $1 FOR NO KEY UPDATE", account_id
    )
    if row is None:
        raise NotFound("There is no such account.")
    if row["state"] == "disconnected":
        raise AccountDisconnected(f"{row['title']} is disconnected already.")
    return row


async def _erase(held: Connection, account_id: int) -> None:
    await held.execute(
        """
        UPDATE connected_account SET state = 'disconnected', health_reason = '', disconnected_at = now(),
               sealed_credentials = '{}', shown_credentials = '{}', sealed_webhook_token = '',
               sealed_previous = '{}', previous_until = NULL, credentials_noted = '{}', features_off = '{}',
               webhook_token_hash = NULL, version = version + 1
        WHERE id = $1
        """,
        account_id,
    )
    await held.execute("DELETE FROM check_run WHERE subject = $1", subject_of_account(account_id))


async def _drop_work(account_id: int) -> None:
    """End what waits, once those are done who began to write before the keys were erased."""
    try:
        async with transaction() as tx:
            state = await tx.connection.fetchval(
                "SELECT state FROM connected_account WHERE id = $1 FOR UPDATE", account_id
            )
            if state == "disconnected":
                await _end_work(tx.connection, account_id)
    except asyncpg.LockNotAvailableError:
        logger.warning("work of account %s waits on: whoever picks it up finds it disconnected", account_id)


async def _end_work(held: Connection, account_id: int) -> None:
    """What is being handled right now ends by itself: loading the account is refused from here on."""
    await held.execute(
        """
        UPDATE webhook_event SET state = 'ignored', outcome = $2, processed_at = now()
        WHERE account = $1 AND state = 'received'
        """,
        account_id,
        DISCONNECTED,
    )
    await held.execute(
        """
        UPDATE sync_task SET state = 'failed', error = $2, finished_at = now()
        WHERE account = $1 AND state = 'waiting'
        """,
        account_id,
        DISCONNECTED,
    )
    await held.execute(
        """
        UPDATE invoice SET sync_state = 'failed', sync_error = $2
        WHERE account = $1 AND sync_state = 'waiting'
        """,
        account_id,
        DISCONNECTED,
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
