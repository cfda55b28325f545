"""Forms that act once: a double press, a reload or a repeated request gets the first answer again."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable

from portal.database.transaction import transaction
from portal.errors import PortalError

KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")
KEPT_DAYS = 2


class UnknownForm(PortalError):
    """The form carries no key of ours."""

    code = "UNKNOWN_FORM"
    status_code = 400


def new_form_key() -> str:
    """A key for the hidden field of a form that creates something."""
    return secrets.token_urlsafe(18)


async def submit_once(key: str, act: Callable[[], Awaitable[int]]) -> tuple[int, bool]:
    """Run `act` unless a form with this key was accepted before.

    `act` runs in one transaction with the key, so either both are stored or none. A second press
    that comes while the first is at work waits for it.

    Returns:
        What `act` returned (now or the first time), and whether it ran now.

    Raises:
        UnknownForm: the key is not one that `new_form_key` makes.
    """
    if not KEY.fullmatch(key):
        raise UnknownForm("This form is too old to be sent.", hint="Load the page again and fill it in.")
    async with transaction() as tx:
        claimed = await tx.connection.fetchval(
            "INSERT INTO sent_form (key) VALUES ($1) ON CONFLICT (key) DO NOTHING RETURNING true", key
        )
        if not claimed:
            answer = await tx.connection.fetchval("SELECT answer FROM sent_form WHERE key = $1", key)
            return int(answer), False
        result = await act()
        await tx.connection.execute("UPDATE sent_form SET answer = $2 WHERE key = $1", key, str(result))
        await tx.connection.execute(
            f"DELETE FROM sent_form WHERE sent_at < now() - interval '{KEPT_DAYS} days'"  # noqa: S608 - a constant
        )
    return result, True
