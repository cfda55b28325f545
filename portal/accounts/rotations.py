"""Replacing credentials of a saved connection: the key at once, a signing secret with a day of overlap."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncpg import Record

from portal.accounts.changes import answer_in_time, sole_change
from portal.accounts.rechecks import saved_context
from portal.accounts.services import AccountDisconnected, AccountSummary, credential_place, wake_work
from portal.audit.services import SYSTEM, Actor, record
from portal.contract.errors import ProviderError, ProviderUnavailable
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import AccountIdentity, CredentialField, Plugin, Repaired
from portal.contract.secrets import Secret
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound, PortalError
from portal.security.sealing import open_sealed, seal

OVERLAP = timedelta(hours=24)
QUIET = timedelta(hours=1)
"""A replaced secret that signed nothing for so long, while the new one did, can go."""
logger = logging.getLogger("portal.accounts")


class WrongAccount(Conflict):
    """The new key opens another account, or the other mode. A connection never changes whose it is."""

    code = "WRONG_ACCOUNT"


class OverlapOpen(Conflict):
    """A signing secret was replaced less than a day ago, and the one before it is still accepted."""

    code = "OVERLAP_OPEN"


class NothingNew(PortalError):
    """Every value is the one that is saved."""

    code = "NOTHING_NEW"
    status_code = 422


def require_same_account(account: AccountSummary, identity: AccountIdentity) -> None:
    """Refuse credentials of another account or mode.

    Raises:
        WrongAccount: they are.
    """
    if identity.external_id != account.external_id:
        raise WrongAccount(
            f"This key belongs to {identity.title}. You are connected to {account.title}.",
            hint="Disconnect first to change account.",
        )
    if identity.mode is not account.mode:
        raise WrongAccount(
            f"This is a {identity.mode} key. This connection is in {account.mode} mode.",
            hint="Live and test are two connections: connect the other mode beside this one.",
        )


async def replace_credentials(
    account_id: int,
    plugin: Plugin,
    new: Mapping[str, Secret],
    *,
    actor: Actor,
    both_deliver: bool = False,
) -> tuple[str, ...]:
    """Save new credentials of the same account; returns the labels of those that changed.

    With a new key a connection that was broken works again, and what waited for it is done. A signing secret
    says nothing about the rest: what else is wrong stays until it is checked. `both_deliver`: the portal made
    a second endpoint for it, so the old secret stays in use until its endpoint is deleted with it.

    Raises:
        NothingNew: there is nothing to change.
        OverlapOpen: the signing secret before the present one is still accepted.
        AccountDisconnected: the connection was ended meanwhile.
    """
    async with transaction() as tx:
        row = await _locked(tx.connection, account_id)
        fields = tuple(spec for spec in plugin.credentials if _differs(row, spec, new.get(spec.name)))
        if not fields:
            raise NothingNew("Nothing is different.", hint="Enter a new key or a new signing secret.")
        change = _Change(row, plugin, fields, new, actor, both_deliver)
        await _store(tx.connection, change)
        await wake_work(tx.connection, account_id)
        await _note(tx.connection, change)
    return tuple(spec.label for spec in fields)


async def require_no_overlap(account_id: int) -> None:
    """Refuse what would bring a third signing secret.

    Raises:
        OverlapOpen: the one before the present one is still accepted.
    """
    async with connection() as held:
        if await held.fetchval(
            "SELECT previous_until > now() FROM connected_account WHERE id = $1", account_id
        ):
            raise _overlap_open()


async def rotate_endpoint(account_id: int, plugin: Plugin, *, actor: Actor) -> Repaired:
    """A second endpoint with a new secret; both deliver until the old one is removed: nothing is missed.

    Raises:
        OverlapOpen: the signing secret before the present one is still accepted.
        ProviderError: it could not be made or opened, with what to do.
    """
    async with sole_change(account_id):
        await require_no_overlap(account_id)
        context = await saved_context(account_id, plugin)
        made = await answer_in_time(plugin, plugin.replace_endpoint(context))
        await replace_credentials(account_id, plugin, made.credentials, actor=actor, both_deliver=True)
        await open_new_endpoint(account_id, plugin)
    return made


async def open_new_endpoint(account_id: int, plugin: Plugin) -> None:
    """Let the endpoint whose secret was just stored send its events.

    Raises:
        ProviderUnavailable: it could not be opened; what it replaces goes on, and the way on is said.
    """
    try:
        await answer_in_time(plugin, plugin.open_endpoint(await saved_context(account_id, plugin)))
    except ProviderError as error:
        raise ProviderUnavailable(
            f"The new secret is stored, but its endpoint sends nothing yet: {error.message}",
            hint="No event is missed: the old endpoint still sends them. In a moment, choose Remove the old "
            "secret now, which opens the new endpoint first.",
        ) from None


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


async def _locked(held: Connection, account_id: int) -> Record:
    row: Record | None = await held.fetchrow(
        """
        SELECT id, title, mode, state, sealed_credentials, shown_credentials, credentials_noted,
               sealed_previous, coalesce(previous_until > now(), false) AS overlaps
        FROM connected_account WHERE id = $1 FOR UPDATE
        """,
        account_id,
    )
    if row is None:
        raise NotFound("There is no such account.")
    if row["state"] == "disconnected":
        raise AccountDisconnected(f"{row['title']} is disconnected.", hint="Connect the account again.")
    return row


def _differs(row: Record, spec: CredentialField, value: Secret | None) -> bool:
    if not value:
        return False
    text = json.loads(row["sealed_credentials"]).get(spec.name)
    return text is None or open_sealed(text, context=_place(row, spec.name)) != value


@dataclass(frozen=True, slots=True)
class _Change:
    """New credentials on their way into a connection's row."""

    row: Record
    plugin: Plugin
    fields: tuple[CredentialField, ...]
    """Those that differ from what is saved."""
    new: Mapping[str, Secret]
    actor: Actor
    both_deliver: bool

    def merged(self, column: str, fresh: Mapping[str, Any]) -> str:
        """What a column of field -> value holds afterwards."""
        return json.dumps({**json.loads(self.row[column]), **fresh})

    def sealed(self) -> str:
        """Every credential, the new ones sealed for the same place as the old."""
        names = [spec.name for spec in self.fields]
        fresh = {name: seal(self.new[name], context=_place(self.row, name)) for name in names}
        return self.merged("sealed_credentials", fresh)

    def shown(self) -> str:
        """What people may see of them."""
        fresh = {spec.name: self.plugin.mask(spec.name, self.new[spec.name]) for spec in self.fields}
        return self.merged("shown_credentials", fresh)

    def noted(self) -> str:
        """Who entered them."""
        fresh = dict.fromkeys((spec.name for spec in self.fields), noted_by(self.actor))
        return self.merged("credentials_noted", fresh)

    def replaced(self) -> dict[str, str]:
        """The sealed signing secrets that are replaced: they open at the same place as before."""
        sealed = json.loads(self.row["sealed_credentials"])
        found = {spec.name: sealed[spec.name] for spec in self.fields if spec.webhook and spec.name in sealed}
        if found and self.row["overlaps"]:
            raise _overlap_open()
        return found


async def _store(held: Connection, change: _Change) -> None:
    replaced = change.replaced()
    await held.execute(
        """
        UPDATE connected_account SET sealed_credentials = $2::jsonb, shown_credentials = $3::jsonb,
               credentials_noted = $4::jsonb,
               state = CASE WHEN $8 THEN 'ready' ELSE state END,
               health_reason = CASE WHEN $8 THEN '' ELSE health_reason END,
               verified_at = CASE WHEN $8 THEN now() ELSE verified_at END,
               sealed_previous = CASE WHEN $5 THEN $6::jsonb ELSE sealed_previous END,
               previous_until = CASE WHEN $5 THEN now() + $7::interval ELSE previous_until END,
               previous_used_at = CASE WHEN $5 THEN secret_used_at ELSE previous_used_at END,
               secret_used_at = CASE WHEN $5 THEN NULL ELSE secret_used_at END,
               options = CASE WHEN $5 THEN jsonb_set(options, '{both_deliver}', to_jsonb($9::bool))
                         ELSE options END,
               version = version + 1
        WHERE id = $1
        """,
        change.row["id"],
        change.sealed(),
        change.shown(),
        change.noted(),
        bool(replaced),
        json.dumps(replaced),
        OVERLAP,
        any(not spec.webhook for spec in change.fields),
        change.both_deliver,
    )


def noted_by(actor: Actor) -> dict[str, str]:
    """Who entered a credential, and when, as it is kept beside it."""
    return {"by": actor.name, "at": datetime.now(UTC).isoformat()}


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
        row = await _locked(tx.connection, account_id)
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


async def _note(held: Connection, change: _Change) -> None:
    row, title = change.row, change.plugin.manifest.title
    labels = " and ".join(spec.label.lower() for spec in change.fields)
    await record(
        held,
        actor=change.actor,
        action="account.rotated",
        words=f"Replaced the {labels} of {title} account {row['title']} ({row['mode']} mode).",
        subject=("connected_account", row["id"]),
        mode=row["mode"],
        details={"changed": [spec.name for spec in change.fields]},
    )


def _overlap_open() -> OverlapOpen:
    return OverlapOpen(
        "The signing secret before this one is still accepted.",
        hint="Remove the old secret first, or wait until its 24 hours are over.",
    )


def _place(row: Record, field: str) -> tuple[str, ...]:
    return credential_place(row["id"], row["mode"], field)
