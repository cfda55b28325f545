"""Replacing credentials of a saved connection: the key at once, a signing secret with a day of overlap."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncpg import Record

from portal.accounts.changes import answer_in_time, sole_change
from portal.accounts.overlaps import locked_connection, overlap_open, require_no_overlap
from portal.accounts.rechecks import saved_context
from portal.accounts.services import AccountSummary, credential_place, wake_work
from portal.audit.services import Actor, record
from portal.contract.accounts import AccountIdentity, Repaired
from portal.contract.descriptions import CredentialField
from portal.contract.errors import ProviderError, ProviderUnavailable
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.database.transaction import Connection, transaction
from portal.errors import Conflict, PortalError
from portal.security.sealing import open_sealed, seal

OVERLAP = timedelta(hours=24)


class WrongAccount(Conflict):
    """The new key opens another account, or the other mode. A connection never changes whose it is."""

    code = "WRONG_ACCOUNT"


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
        row = await locked_connection(tx.connection, account_id)
        fields = tuple(spec for spec in plugin.credentials if _differs(row, spec, new.get(spec.name)))
        if not fields:
            raise NothingNew("Nothing is different.", hint="Enter a new key or a new signing secret.")
        change = _Change(row, plugin, fields, new, actor, both_deliver)
        await _store(tx.connection, change)
        await wake_work(tx.connection, account_id)
        await _note(tx.connection, change)
    return tuple(spec.label for spec in fields)


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
            raise overlap_open()
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


def _place(row: Record, field: str) -> tuple[str, ...]:
    return credential_place(row["id"], row["mode"], field)
