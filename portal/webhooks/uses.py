"""When a signing secret was last used: who rotates it wants to know whether the old one has gone quiet."""

from __future__ import annotations

import logging
import time
from datetime import datetime

from portal.accounts.services import load_account
from portal.contract.accounts import Account
from portal.contract.loading import plugin_by_id
from portal.contract.secrets import Secret
from portal.database.transaction import DatabaseBusy, transaction
from portal.errors import PortalError
from portal.queue.connections import DATABASE_FAILED

EVERY_SECONDS = 10.0
"""A use is noted at most this often for each secret and process."""
MOST_SECRETS = 1000
logger = logging.getLogger("portal.webhooks")
Use = tuple[int, Secret]


class SecretUses:
    """Uses that are not stored yet, and when each secret's was noted last."""

    def __init__(self) -> None:
        self._noted: dict[Use, float] = {}
        self._pending: dict[Use, datetime] = {}

    def __bool__(self) -> bool:
        return bool(self._pending)

    def add(self, account_id: int, secret: Secret, at: datetime) -> bool:
        """Note a use, unless one was noted a moment ago. Returns whether there is something to store."""
        use, now = (account_id, secret), time.monotonic()
        if now - self._noted.get(use, float("-inf")) < EVERY_SECONDS:
            return False
        if len(self._noted) >= MOST_SECRETS:
            self._noted.clear()
        self._noted[use] = now
        self._pending[use] = at
        return True

    def clear(self) -> None:
        """Forget all."""
        self._noted.clear()
        self._pending.clear()

    async def store(self) -> None:
        """Write them down. What could not be written is noted at the next delivery instead."""
        taken, self._pending = self._pending, {}
        for use, at in taken.items():
            if not await _stored(use, at):
                self._noted.pop(use, None)


async def _stored(use: Use, at: datetime) -> bool:
    account_id, secret = use
    try:
        return await _store(account_id, secret, at)
    except (DatabaseBusy, *DATABASE_FAILED) as error:
        logger.warning("the use of a secret was not noted: %s", type(error).__name__)
        return False
    except PortalError as error:
        # Disconnected meanwhile, or not to be opened: whoever looks at the connection is told elsewhere.
        logger.info("the use of a secret of account %s was not noted: %s", account_id, error.code)
        return True


async def _store(account_id: int, secret: Secret, at: datetime) -> bool:
    """Note the use where the secret stands now: this process may remember it from before a rotation."""
    async with transaction() as tx:
        free = await tx.connection.fetchval(
            "SELECT id FROM connected_account WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED", account_id
        )  # skipped while locked: deliveries must not queue up behind whoever changes the connection
        if free is None:
            return False
        column = _column(await load_account(account_id), secret)
        if column:
            await tx.connection.execute(
                f"""
                UPDATE connected_account SET {column} = $2
                WHERE id = $1 AND ({column} IS NULL OR {column} < $2)
                """,  # noqa: S608 - one of two constants
                account_id,
                at,
            )
    return True


def _column(account: Account, secret: Secret) -> str:
    plugin = plugin_by_id(account.plugin)
    if plugin is None:
        return ""
    if secret in plugin.webhook_secrets(account.credentials):
        return "secret_used_at"
    return "previous_used_at" if secret in plugin.webhook_secrets(account.previous) else ""
