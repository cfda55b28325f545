"""The connections as other rooms use them: load, list, find by webhook address, mark healthy or broken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from portal.accounts.tables import ConnectedAccount
from portal.audit.services import SYSTEM, record
from portal.contract.accounts import Account
from portal.contract.facts import Mode
from portal.contract.secrets import Secret
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound
from portal.finance.services import zone_of_days
from portal.security.sealing import open_sealed

SUMMARY = """
    id, plugin, mode, external_account_id AS external_id, title, state, health_reason,
    connected_by, connected_at, last_event_at, secret_used_at, features_off,
    EXISTS (SELECT FROM health_alarm h WHERE h.account = connected_account.id) AS alarmed
"""
DISCONNECTED = "The account was disconnected."
"""Why work of a connection ended: what says so is taken up again when the account comes back."""
LIVE_FIRST = "ORDER BY mode = 'live' DESC, connected_at, id"


class AccountDisconnected(Conflict):
    """The connection was ended by a person; nothing may be done with it."""

    code = "ACCOUNT_DISCONNECTED"


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """A connection without its credentials."""

    id: int
    plugin: str
    mode: Mode
    external_id: str
    title: str
    state: str
    """`ready`, `needs_attention`, `broken` or `disconnected`."""
    health_reason: str
    connected_by: str
    connected_at: datetime
    last_event_at: datetime | None
    secret_used_at: datetime | None = None
    """When a delivery was last signed with the present signing secret."""
    features_off: Mapping[str, str] = field(default_factory=dict)
    """`Feature.id` -> why it cannot be used."""
    alarmed: bool = False
    """Whether an alarm about it is raised."""

    @property
    def shown_state(self) -> str:
        """The state with what is measured: `ready` alone says nothing of events that cannot be handled."""
        return "needs_attention" if self.alarmed and self.state == "ready" else self.state

    def can(self, feature: str) -> bool:
        """Whether the last checks found nothing in the way of the feature."""
        return feature not in self.features_off


async def load_account(account_id: int) -> Account:
    """The connection with its credentials opened. A broken one is loaded too: its key may be a new one.

    Raises:
        NotFound: there is none with this id.
        AccountDisconnected: it was disconnected.
        SealBroken: its credentials cannot be opened with the key file of this portal.
    """
    rows = await ConnectedAccount.raw("SELECT * FROM connected_account WHERE id = {}", account_id)
    if not rows:
        raise NotFound("There is no such account.")
    return open_row(rows[0])


def open_row(row: Mapping[str, Any]) -> Account:
    """The connection of a row with all columns.

    Raises:
        AccountDisconnected: it was disconnected.
        SealBroken: as above.
    """
    if row["state"] == "disconnected":
        raise AccountDisconnected(f"{row['title']} is disconnected.", hint="Connect the account again.")
    return _open_account(row)


async def require_connected(held: Connection, account_id: int) -> None:
    """Begin to write what was read with its key. A disconnect ends what the transaction leaves waiting.

    Raises:
        AccountDisconnected: it was ended; what was read with its key must have no effect any more.
    """
    state = await held.fetchval("SELECT state FROM connected_account WHERE id = $1 FOR KEY SHARE", account_id)
    if state == "disconnected":
        raise AccountDisconnected(DISCONNECTED)


async def load_summary(account_id: int) -> AccountSummary:
    """The connection in any state, without credentials.

    Raises:
        NotFound: there is none with this id.
    """
    rows = await ConnectedAccount.raw(
        f"SELECT {SUMMARY} FROM connected_account WHERE id = {{}}",  # noqa: S608 - a constant list of columns
        account_id,
    )
    if not rows:
        raise NotFound("There is no such account.")
    return _summary(rows[0])


async def instance_id() -> str:
    """Names this installation; what the portal makes at a provider carries it."""
    async with connection() as held:
        found: str | None = await held.fetchval("SELECT instance_id::text FROM organisation LIMIT 1")
    return found or ""


async def time_zone() -> str:
    """The organisation's."""
    async with connection() as held:
        return (await zone_of_days(held)).key


async def account_for_webhook(plugin_id: str, token_hash: bytes) -> Account | None:
    """The connection that a webhook address belongs to, or None; the hash is of purpose `webhook`."""
    rows = await ConnectedAccount.raw(
        """
        SELECT * FROM connected_account
        WHERE webhook_token_hash = {} AND plugin = {} AND state <> 'disconnected'
        """,
        token_hash,
        plugin_id,
    )
    return _open_account(rows[0]) if rows else None


async def connected_accounts(plugin_id: str | None = None) -> list[AccountSummary]:
    """Every connection that is not disconnected, live ones first."""
    rows = await ConnectedAccount.raw(
        f"""
        SELECT {SUMMARY} FROM connected_account
        WHERE state <> 'disconnected' AND ({{}}::text IS NULL OR plugin = {{}}) {LIVE_FIRST}
        """,  # noqa: S608 - constants of this module
        plugin_id,
        plugin_id,
    )
    return [_summary(row) for row in rows]


async def default_account() -> AccountSummary | None:
    """The connection that new work goes to: a live one first, then a test one, the oldest of its kind.

    A broken one too: what is made meanwhile waits for its new key, and never becomes a test record instead.
    """
    return next(iter(await connected_accounts()), None)


async def mark_broken(account_id: int, reason: str, *, refused: Mapping[str, Secret] | None = None) -> None:
    """Note that the provider no longer takes the credentials. Work waits until a new key is saved.

    Args:
        account_id: whose they are.
        reason: what the provider said.
        refused: what it refused; when other ones are saved by now, nothing is wrong with those.
    """
    async with transaction() as tx:
        if refused is None or await still_saved(tx.connection, account_id, refused):
            await _change_health(account_id, "broken", reason, action="account.broken")


async def mark_needs_attention(account_id: int, reason: str) -> None:
    """Note that the account cannot do something that is needed. Work that needs it waits."""
    await _change_health(account_id, "needs_attention", reason, action="account.needs_attention")


async def mark_ready(account_id: int, *, seen: str = "broken") -> None:
    """Note that the credentials work again.

    Args:
        account_id: whose they are.
        seen: the state when what says so began: a refusal that came since is newer, and stands.
    """
    await _change_health(account_id, "ready", "", action="account.recovered", mends=seen == "broken")


async def still_saved(held: Connection, account_id: int, credentials: Mapping[str, Secret]) -> bool:
    """Whether the connection has these very credentials, and keeps them until the transaction ends."""
    row = await held.fetchrow(
        """
        SELECT id, mode, sealed_credentials FROM connected_account
        WHERE id = $1 AND state <> 'disconnected' FOR NO KEY UPDATE
        """,
        account_id,
    )
    if row is None:
        return False
    saved = _opened(dict(row), "sealed_credentials")
    return all(saved.get(name, Secret("")) == value for name, value in credentials.items())


async def wake_work(held: Connection, account_id: int) -> None:
    """Make due what waited for the connection to work again; the sweepers ring for it within seconds."""
    await held.execute(
        "UPDATE webhook_event SET due_at = now() WHERE account = $1 AND state = 'received'", account_id
    )
    await held.execute(
        "UPDATE sync_task SET due_at = now() WHERE account = $1 AND state IN ('waiting', 'unknown')",
        account_id,
    )


def credential_place(account_id: int, mode: str, field: str) -> tuple[str, ...]:
    """What a sealed credential is bound to; it opens for this connection, mode and field alone."""
    return ("connected_account", str(account_id), str(mode), field)


async def _change_health(
    account_id: int, state: str, reason: str, *, action: str, mends: bool = False
) -> None:
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            WITH before AS (SELECT id, state FROM connected_account WHERE id = $1 FOR NO KEY UPDATE)
            UPDATE connected_account a SET state = $2, health_reason = $3, version = version + 1
            FROM before
            WHERE a.id = before.id AND before.state <> 'disconnected'
                  AND (before.state, a.health_reason) <> ($2, $3)
                  AND (before.state <> 'broken' OR $2 = 'broken' OR $4)
            RETURNING a.title, a.mode, before.state AS was
            """,
            account_id,
            state,
            reason,
            mends,
        )
        # Another reason for the same state is shown, and is no entry: two rights may be missed in turns.
        if row is not None and row["was"] != state:
            if state == "ready":
                await wake_work(tx.connection, account_id)
            await record(
                tx.connection,
                actor=SYSTEM,
                action=action,
                words=f"{row['title']}: {reason or 'works again.'}",
                subject=("connected_account", str(account_id)),
                mode=row["mode"],
            )


def _summary(row: dict[str, Any]) -> AccountSummary:
    more = {"mode": Mode(row["mode"]), "features_off": json.loads(row["features_off"])}
    return AccountSummary(**{**row, **more})


def _open_account(row: Mapping[str, Any]) -> Account:
    overlaps = row["previous_until"] is not None and row["previous_until"] > datetime.now(UTC)
    return Account(
        id=row["id"],
        plugin=row["plugin"],
        mode=Mode(row["mode"]),
        external_id=row["external_account_id"],
        title=row["title"],
        credentials=_opened(row, "sealed_credentials"),
        options=json.loads(row["options"]),
        previous=_opened(row, "sealed_previous") if overlaps else {},
        features_off=json.loads(row["features_off"]),
    )


def _opened(row: Mapping[str, Any], column: str) -> dict[str, Secret]:
    sealed: dict[str, str] = json.loads(row[column])
    return {
        field: open_sealed(text, context=credential_place(row["id"], row["mode"], field))
        for field, text in sealed.items()
    }
