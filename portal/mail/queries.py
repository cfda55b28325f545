"""The messages about one thing, as its page lists them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.database.transaction import Connection
from portal.mail.claims import NAMES
from portal.mail.rules import masked


@dataclass(frozen=True, slots=True)
class MailRow:
    """A message as people may see it. `error` says why it waits, failed or was dropped, for admins."""

    id: int
    name: str
    to: str
    state: str
    error: str
    created_at: datetime
    sent_at: datetime | None


async def list_mail(held: Connection, subject: tuple[str, int], *, limit: int = 5) -> list[MailRow]:
    """The newest messages about it."""
    rows = await held.fetch(
        """
        SELECT id, kind, to_address, state, error, created_at, sent_at FROM mail_message
        WHERE subject_kind = $1 AND subject_id = $2 ORDER BY id DESC LIMIT $3
        """,
        *subject,
        limit,
    )
    return [
        MailRow(
            row["id"],
            NAMES.get(row["kind"], "Email"),
            masked(row["to_address"]),
            row["state"],
            row["error"],
            row["created_at"],
            row["sent_at"],
        )
        for row in rows
    ]
