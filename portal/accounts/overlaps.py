"""The day in which a replaced signing secret is still accepted, and its end."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

from asyncpg import Record

from portal.accounts.changes import answer_in_time, sole_change
from portal.accounts.rechecks import saved_context
from portal.accounts.services import AccountDisconnected
from portal.audit.services import SYSTEM, Actor, record
from portal.contract.errors import ProviderError
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Plugin
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound

QUIET = timedelta(hours=1)
"""A replaced secret that signed nothing for so long, while the new one did, can go."""
logger = logging.getLogger("portal.accounts")


class OverlapOpen(Conflict):
    """A signing secret was replaced less than a day ago, and the one before it is still accepted."""

    code = "OVERLAP_OPEN"


async def require_no_overlap(account_id: int) -> None:
    """Refuse what would bring a third signing secret.

    Raises:
        OverlapOpen: the one before the present one is still accepted.
    """
    async with connection() as held:
        if await held.fetchval(
            "SELECT previous_until > now() FROM connected_account WHERE id = $1", account_id
        ):
            raise overlap_open()


async def finish_overlap(account_id: int, *, actor: Actor) -> str:
    """Stop accepting the replaced signing secret and erase it; returns the connection's title.

    The endpoint that it belonged to, if the portal made a second one, is deleted at the provider first.

    Raises:
        Conflict: there is none, or the connection's secret is being changed right now.
        ProviderError: the old endpoint could not be deleted, so its secret is still needed.
    """
    async with sole_change(account_id):
        plugin, replaced = await _overlapping(account_id)
        if plugin:
            await answer_in_time(plugin, plugin.retire_endpoint(await saved_context(account_id, plugin)))
        return await _erase_previous(account_id, replaced, actor)


async def overlaps_over() -> list[int]:
    """The connections whose day with two signing secrets is over."""
    async with connection() as held:
        rows = await held.fetch(
            "SELECT id FROM connected_account WHERE previous_until < now() ORDER BY previous_until, id"
        )
    return [row["id"] for row in rows]


async def end_overlap(account_id: int) -> None:
    """End an overlap whose day is over. A provider that is away does not keep an old secret alive."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT sealed_previous, secret_used_at FROM connected_account
            WHERE id = $1 AND previous_until < now()
            """,
            account_id,
        )
    if row is None:
        return
    try:
        await finish_overlap(account_id, actor=SYSTEM)
    except ProviderError as error:
        logger.warning("the replaced endpoint of connection %s stays: %s", account_id, error.code)
        # A new secret that never signed may belong to an endpoint that was not opened: it is tried again.
        if row["secret_used_at"] is not None:
            await _erase_previous(account_id, row["sealed_previous"], SYSTEM)
    except (Conflict, NotFound):
        return  # somebody ended it, or the connection, a moment ago


def is_safe_to_remove(
    previous_used_at: datetime | None, secret_used_at: datetime | None, *, both_deliver: bool = False
) -> bool:
    """Whether the replaced secret can go: the new one signs, the old one rests or goes with its endpoint."""
    if secret_used_at is None:
        return False
    return both_deliver or previous_used_at is None or datetime.now(UTC) - previous_used_at > QUIET


async def locked_connection(held: Connection, account_id: int) -> Record:
    """The connection's row, locked until the caller's transaction ends.

    Raises:
        AccountDisconnected: it was ended.
    """
    row: Record | None = await held.fetchrow(
        """
        SELECT id, title, mode, state, sealed_credentials, shown_credentials, credentials_noted,
               sealed_previous, coalesce(previous_until > now(), false) AS overlaps
        FROM connected_account WHERE id = $1 FOR NO KEY UPDATE
        """,
        account_id,
    )
    if row is None:
        raise NotFound("There is no such account.")
    if row["state"] == "disconnected":
        raise AccountDisconnected(f"{row['title']} is disconnected.", hint="Connect the account again.")
    return row


async def _overlapping(account_id: int) -> tuple[Plugin | None, str]:
    """The plugin of the connection, and what was replaced, sealed."""
    async with connection() as held:
        row = await held.fetchrow(
            "SELECT plugin, sealed_previous FROM connected_account WHERE id = $1", account_id
        )
    if row is None:
        raise NotFound("There is no such account.")
    return plugin_by_id(row["plugin"]), row["sealed_previous"]


async def _erase_previous(account_id: int, replaced: str, actor: Actor) -> str:
    """Erase what was replaced, unless another secret was replaced meanwhile: that one is in use."""
    async with transaction() as tx:
        row = await locked_connection(tx.connection, account_id)
        if not json.loads(row["sealed_previous"]) or row["sealed_previous"] != replaced:
            raise Conflict("There is no old secret any more.")
        await tx.connection.execute(
            """
            UPDATE connected_account SET sealed_previous = '{}', previous_until = NULL,
                   previous_used_at = NULL, options = options - 'both_deliver', version = version + 1
            WHERE id = $1
            """,
            account_id,
        )
        await record(
            tx.connection,
            actor=actor,
            action="account.old_secret_removed",
            words=f"{row['title']}: the old signing secret is no longer accepted.",
            subject=("connected_account", account_id),
            mode=row["mode"],
        )
    return str(row["title"])


def overlap_open() -> OverlapOpen:
    """The refusal of a third signing secret."""
    return OverlapOpen(
        "The signing secret before this one is still accepted.",
        hint="Remove the old secret first, or wait until its 24 hours are over.",
    )
