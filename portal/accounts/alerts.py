"""What a provider wants a person to look at, and changes of its account."""

from __future__ import annotations

from portal.audit.sources import Source
from portal.contract.facts import AlertRaised
from portal.database.transaction import Connection

CALM_SECONDS = 5
"""Changes of an account come in bursts: its checks wait for the end of one."""


async def apply_alert(held: Connection, source: Source, fact: AlertRaised) -> str:
    """Keep the alert once, inside the caller's transaction; returns its words when it is new."""
    added = await held.fetchval(
        """
        INSERT INTO provider_alert (account, mode, external_id, kind, words, invoice, raised_at)
        VALUES ($1, $2, $3, $4, $5, (SELECT id FROM invoice WHERE id = $6 AND account = $1), $7)
        ON CONFLICT ON CONSTRAINT provider_alert_once DO NOTHING RETURNING id
        """,
        source.account_id,
        source.mode.value,
        fact.external_id,
        fact.kind,
        fact.words,
        fact.invoice_id,
        fact.occurred_at,
    )
    if added is None:
        return ""
    about = ("invoice", fact.invoice_id) if fact.invoice_id else ("account", source.account_id)
    source.note((f"alert.{fact.kind}", fact.words), about, {"external_id": fact.external_id})
    return fact.words


async def ask_for_checks(held: Connection, account_id: int) -> str:
    """Have the connection's checks run soon, in the caller's transaction. Asking twice is asking once."""
    await held.execute(
        """
        UPDATE connected_account SET check_due_at = now() + make_interval(secs => $2)
        WHERE id = $1 AND check_due_at IS NULL
        """,
        account_id,
        CALM_SECONDS,
    )
    return "The account changed: its checks run again."


async def checks_due(held: Connection) -> list[int]:
    """The connections whose checks are due before their day."""
    rows = await held.fetch(
        "SELECT id FROM connected_account WHERE check_due_at <= now() AND state <> 'disconnected' ORDER BY id"
    )
    return [row["id"] for row in rows]


async def begin_checks(held: Connection, account_id: int) -> None:
    """The checks begin now: what changes from here on asks for them anew."""
    await held.execute(
        "UPDATE connected_account SET check_due_at = NULL WHERE id = $1 AND check_due_at <= now()",
        account_id,
    )
