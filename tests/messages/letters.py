"""What was written to whom: the mail folder of the test process, read as a receiver reads it."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from portal.database.transaction import connection
from portal.mail.services import send_mail
from portal.messages.composing import compose
from portal.settings import current_settings


async def rows() -> list[dict[str, Any]]:
    """Every message, the oldest first."""
    async with connection() as held:
        return [dict(row) for row in await held.fetch("SELECT * FROM mail_message ORDER BY id")]


async def send_all() -> list[EmailMessage]:
    """Let a worker send what waits; returns what was written."""
    folder = current_settings().data_dir / "mail"
    for row in await rows():
        await send_mail(row["id"], compose)
    files = [folder / f"{row['message_id'].strip('<>').partition('@')[0]}.eml" for row in await rows()]
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files if file.exists()]


def text_of(message: EmailMessage) -> str:
    """Its plain text."""
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")
