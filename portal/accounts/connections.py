"""Saving a connection: sealed credentials, the account's row and the audit entry in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from portal.accounts.endpoints import Endpoint, take_endpoint
from portal.accounts.services import AccountSummary, connected_accounts, credential_place, load_account
from portal.audit.services import Actor, record
from portal.contract.plugin import AccountIdentity, Plugin
from portal.contract.secrets import Secret
from portal.database.transaction import Connection, transaction
from portal.errors import Conflict, PortalError
from portal.security.sealing import seal

SAME_PRESS = timedelta(seconds=60)
ONCE = "connected_account_once"


class AlreadyConnected(Conflict):
    """The provider's account is connected in this mode already."""

    code = "ALREADY_CONNECTED"


@dataclass(frozen=True, slots=True)
class NewConnection:
    """What is saved: checked and trimmed credentials, whose they are, and the address shown with the form."""

    plugin: Plugin
    credentials: Mapping[str, Secret]
    identity: AccountIdentity
    endpoint: Endpoint


async def save_connection(new: NewConnection, *, actor: Actor) -> int:
    """Store the connection and return its id. An account that was disconnected before goes on in its old row.

    Pressing Save twice makes one connection: the second press finds the first one's and returns it.

    Raises:
        AlreadyConnected: somebody connected this account in this mode before.
    """
    try:
        async with transaction() as tx:
            account_id = await _revive(tx.connection, new, actor) or await _insert(tx.connection, new, actor)
            await _seal_into(tx.connection, account_id, new)
            await take_endpoint(tx.connection, new.plugin.manifest.id, new.endpoint)
            await _note(tx.connection, account_id, new, actor)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != ONCE:
            raise
        return await _of_first_press(new, actor)
    return account_id


async def same_credentials(plugin: Plugin, values: Mapping[str, Secret]) -> AccountSummary | None:
    """The connection that these very credentials already belong to, for a word while typing."""
    for account in await connected_accounts(plugin.manifest.id):
        try:
            known = (await load_account(account.id)).credentials
        except PortalError:
            continue
        if any(value and known.get(name) == value for name, value in values.items()):
            return account
    return None


async def _revive(connection: Connection, new: NewConnection, actor: Actor) -> int | None:
    """Take the row that this account had before it was disconnected, so that its history goes on."""
    account_id: int | None = await connection.fetchval(
        """
        UPDATE connected_account SET state = 'ready', health_reason = '', title = $4, connected_by = $5,
               connected_at = now(), disconnected_at = NULL, last_event_at = NULL, version = version + 1
        WHERE id = (SELECT id FROM connected_account
                    WHERE plugin = $1 AND external_account_id = $2 AND mode = $3 AND state = 'disconnected'
                    ORDER BY id DESC LIMIT 1 FOR UPDATE)
        RETURNING id
        """,
        *_identity_of(new),
        new.identity.title,
        actor.name,
    )
    return account_id


async def _insert(connection: Connection, new: NewConnection, actor: Actor) -> int:
    account_id: int = await connection.fetchval(
        """
        INSERT INTO connected_account (plugin, external_account_id, mode, title, connected_by, connected_at)
        VALUES ($1, $2, $3, $4, $5, now()) RETURNING id
        """,
        *_identity_of(new),
        new.identity.title,
        actor.name,
    )
    return account_id


async def _seal_into(connection: Connection, account_id: int, new: NewConnection) -> None:
    mode = new.identity.mode
    sealed = {
        field: seal(value, context=credential_place(account_id, mode, field))
        for field, value in new.credentials.items()
    }
    await connection.execute(
        """
        UPDATE connected_account SET sealed_credentials = $2::jsonb, shown_credentials = $3::jsonb,
               webhook_token_hash = $4, sealed_webhook_token = $5
        WHERE id = $1
        """,
        account_id,
        json.dumps(sealed),
        json.dumps(_shown(new)),
        new.endpoint.token_hash,
        seal(new.endpoint.token, context=credential_place(account_id, mode, "webhook_token")),
    )


def _shown(new: NewConnection) -> dict[str, str]:
    return {field: new.plugin.mask(field, value) for field, value in new.credentials.items()}


async def _note(connection: Connection, account_id: int, new: NewConnection, actor: Actor) -> None:
    manifest, identity = new.plugin.manifest, new.identity
    await record(
        connection,
        actor=actor,
        action="account.connected",
        words=f"Connected {manifest.title} account {identity.title} in {identity.mode} mode.",
        subject=("connected_account", account_id),
        mode=identity.mode,
        details={"plugin": manifest.id, "account": identity.external_id},
    )


async def _of_first_press(new: NewConnection, actor: Actor) -> int:
    found = [
        account
        for account in await connected_accounts(new.plugin.manifest.id)
        if (account.external_id, account.mode) == (new.identity.external_id, new.identity.mode)
    ]
    first = found[0] if found else None
    if first and first.connected_by == actor.name and datetime.now(UTC) - first.connected_at < SAME_PRESS:
        return first.id
    raise AlreadyConnected(
        f"{new.identity.title} is already connected in {new.identity.mode} mode.",
        hint="Disconnect it first to connect it with other keys.",
    )


def _identity_of(new: NewConnection) -> tuple[str, str, str]:
    return new.plugin.manifest.id, new.identity.external_id, new.identity.mode.value
