"""What an admin switched on for a connection. Its plugin says what there is; everything is off at first."""

from __future__ import annotations

import json
from collections.abc import Mapping

from portal.audit.services import Actor, record
from portal.contract.plugin import Plugin
from portal.database.transaction import connection, transaction
from portal.errors import NotFound


async def options_of(account_id: int, plugin: Plugin) -> dict[str, bool]:
    """Option -> whether it is on, in the plugin's order."""
    async with connection() as held:
        stored = await held.fetchval("SELECT options FROM connected_account WHERE id = $1", account_id)
    known = json.loads(stored) if stored else {}
    return {option.name: bool(known.get(option.name)) for option in plugin.options}


async def change_options(
    account_id: int, plugin: Plugin, wanted: Mapping[str, bool], *, actor: Actor
) -> list[str]:
    """Switch the plugin's options; returns what changed, a sentence each. The log has the same words.

    Raises:
        NotFound: there is no such connection, or it was ended.
    """
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            SELECT title, mode, options FROM connected_account
            WHERE id = $1 AND state <> 'disconnected' FOR UPDATE
            """,
            account_id,
        )
        if row is None:
            raise NotFound("There is no such connection.")
        known = json.loads(row["options"])
        changed = {o: wanted.get(o.name, False) for o in plugin.options}
        changed = {o: on for o, on in changed.items() if on is not bool(known.get(o.name))}
        if not changed:
            return []
        await tx.connection.execute(
            "UPDATE connected_account SET options = options || $2::jsonb WHERE id = $1",
            account_id,
            json.dumps({option.name: on for option, on in changed.items()}),
        )
        said = [f"{option.label}: {'on' if on else 'off'}." for option, on in changed.items()]
        await record(
            tx.connection,
            actor=actor,
            action="account.options_changed",
            words=f"{row['title']}: {' '.join(said)}",
            subject=("connected_account", str(account_id)),
            mode=row["mode"],
        )
    return said
