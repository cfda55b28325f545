"""What the portal wrote to customers, as files in its data folder."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path

from e2e.portals import RunningPortal


def written(portal: RunningPortal) -> list[EmailMessage]:
    """Every message, oldest first."""
    paths = sorted((Path(portal.data_dir) / "mail").glob("*.eml"), key=lambda path: path.stat().st_mtime)
    return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]


def link_of(message: EmailMessage) -> str:
    """The pay link in its text."""
    body = message.get_body(("plain",))
    found = re.search(r"http://\S+/pay/[\w-]{43}", body.get_content() if body else "")
    assert found, message["Subject"]
    return found[0]
