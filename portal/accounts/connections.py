"""Saving a connection: sealed credentials, the account's row and the audit entry in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg

from portal.accounts.check_runs import fingerprint_of, remember_run, subject_of_account
from portal.accounts.endpoints import Endpoint, take_endpoint
from portal.accounts.rotations import noted_by
from portal.accounts.services import (
    DISCONNECTED,
    AccountSummary,
    connected_accounts,
    credential_place,
    load_account,
)
from portal.accounts.validations import Outcome
from portal.audit.services import Actor, record
from portal.contract.accounts import AccountIdentity
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.database.transaction import Connection, transaction
from portal.errors import Conflict, PortalError
from portal.security.sealing import seal

SAME_PRESS = timedelta(seconds=60)
ONCE = "connected_account_once"
FIRST_RANGE = timedelta(days=365)
"""How old the invoices are that come with the first sync; everything else comes whole."""
REFRESH_UNSETTLED = """
INSERT INTO sync_task (account, mode, kind, subject_id, idempotency_key, due_at, created_at)
SELECT i.account, i.mode, 'refresh_invoice', i.id,
       concat_ws(':', 'portal', (SELECT instance_id FROM organisation LIMIT 1), i.account, i.mode,
                 'refresh_invoice', i.id),
       now(), now()
FROM invoice i
WHERE i.account = $1 AND i.external_id IS NOT NULL
  AND i.status IN ('open', 'processing', 'partly_paid', 'uncollectible')
ON CONFLICT (idempotency_key) DO UPDATE
    SET state = 'waiting', attempts = 0, due_at = now(), finished_at = NULL
"""


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
    outcome: Outcome = field(default_factory=lambda: Outcome({}))
    """What the checks found: its features are off, and it is shown until the next run."""


async def save_connection(new: NewConnection, *, actor: Actor) -> int:
    """Store the connection and return its id. An account that was disconnected before goes on in its old row.

    Pressing Save twice makes one connection: the second press finds the first one's and returns it.

    Raises:
        AlreadyConnected: somebody connected this account in this mode before.
        AddressTaken: another connection was given the address of the form.
    """
    try:
        async with transaction() as tx:
            account_id = await _revive(tx.connection, new, actor) or await _insert(tx.connection, new, actor)
            await take_endpoint(tx.connection, new.plugin.manifest.id, new.endpoint)
            await _seal_into(tx.connection, account_id, new, actor)
            await _keep_run(tx.connection, account_id, new)
            await _start_sync(tx.connection, account_id)
            await _start_reading(tx.connection, account_id, new.plugin, actor)
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


async def _revive(held: Connection, new: NewConnection, actor: Actor) -> int | None:
    """Take the row that this account had before it was disconnected, so that its history goes on."""
    account_id: int | None = await held.fetchval(
        """
        UPDATE connected_account SET state = 'ready', health_reason = '', title = $4, connected_by = $5,
               connected_at = now(), disconnected_at = NULL, last_event_at = NULL,
               secret_used_at = NULL, previous_used_at = NULL, version = version + 1
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


async def _insert(held: Connection, new: NewConnection, actor: Actor) -> int:
    account_id: int = await held.fetchval(
        """
        INSERT INTO connected_account (plugin, external_account_id, mode, title, connected_by, connected_at)
        VALUES ($1, $2, $3, $4, $5, now()) RETURNING id
        """,
        *_identity_of(new),
        new.identity.title,
        actor.name,
    )
    return account_id


async def _seal_into(held: Connection, account_id: int, new: NewConnection, actor: Actor) -> None:
    mode = new.identity.mode
    sealed = {
        name: seal(value, context=credential_place(account_id, mode, name))
        for name, value in new.credentials.items()
    }
    await held.execute(
        """
        UPDATE connected_account SET sealed_credentials = $2::jsonb, shown_credentials = $3::jsonb,
               credentials_noted = $4::jsonb, webhook_token_hash = $5, sealed_webhook_token = $6,
               features_off = $7::jsonb, verified_at = now()
        WHERE id = $1
        """,
        account_id,
        json.dumps(sealed),
        json.dumps(_shown(new)),
        json.dumps(dict.fromkeys(new.credentials, noted_by(actor))),
        new.endpoint.token_hash,
        seal(new.endpoint.token, context=credential_place(account_id, mode, "webhook_token")),
        json.dumps(new.outcome.features_off),
    )


async def _keep_run(held: Connection, account_id: int, new: NewConnection) -> None:
    if new.outcome.results:
        subject, fingerprint = subject_of_account(account_id), fingerprint_of(new.credentials)
        await remember_run(subject, fingerprint, new.outcome.results, held=held)


async def _start_sync(held: Connection, account_id: int) -> None:
    """The first sync: what a disconnect left undone is done, and every invoice that is not settled is read.

    The sweeper rings for the tasks within seconds.
    """
    await held.execute(
        """
        UPDATE sync_task SET state = 'waiting', error = '', finished_at = NULL, attempts = 0, due_at = now()
        WHERE account = $1 AND state = 'failed' AND error = $2
        """,
        account_id,
        DISCONNECTED,
    )
    await held.execute(
        """
        UPDATE invoice SET sync_state = 'waiting', sync_error = ''
        WHERE account = $1 AND sync_state = 'failed' AND sync_error = $2
        """,
        account_id,
        DISCONNECTED,
    )
    await held.execute(REFRESH_UNSETTLED, account_id)


async def _start_reading(held: Connection, account_id: int, plugin: Plugin, actor: Actor) -> None:
    """A run that brings what the provider has already. A sweeper rings for it within seconds."""
    if not plugin.listed_kinds:
        return
    await held.execute(
        """
        UPDATE sync_run SET state = 'stopped', finished_at = now(), error = $2, owner = '', lease_until = NULL
        WHERE account = $1 AND state IN ('waiting', 'running', 'paused')
        """,
        account_id,
        DISCONNECTED,
    )
    await held.execute(
        """
        INSERT INTO sync_run (account, mode, purpose, kinds, range_from, started_by, created_at)
        SELECT id, mode, 'first', $2, now() - $3::interval, $4, now() FROM connected_account WHERE id = $1
        """,
        account_id,
        [kind.id for kind in plugin.listed_kinds],
        FIRST_RANGE,
        actor.name,
    )


def _shown(new: NewConnection) -> dict[str, str]:
    return {field: new.plugin.mask(field, value) for field, value in new.credentials.items()}


async def _note(held: Connection, account_id: int, new: NewConnection, actor: Actor) -> None:
    manifest, identity = new.plugin.manifest, new.identity
    await record(
        held,
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
    if found and await _is_first_press(found[0], new, actor):
        return found[0].id
    raise AlreadyConnected(
        f"{new.identity.title} is already connected in {new.identity.mode} mode.",
        hint="To use other keys, choose Replace keys on its page.",
    )


async def _is_first_press(account: AccountSummary, new: NewConnection, actor: Actor) -> bool:
    """The same person a moment ago, with the same keys: else somebody would miss what was not saved."""
    by_the_same = account.connected_by == actor.name and datetime.now(UTC) - account.connected_at < SAME_PRESS
    return by_the_same and (await load_account(account.id)).credentials == dict(new.credentials)


def _identity_of(new: NewConnection) -> tuple[str, str, str]:
    return new.plugin.manifest.id, new.identity.external_id, new.identity.mode.value
