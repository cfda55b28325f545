"""The end of what a report said: somebody stored the provider's side meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from portal.contract.accounts import Account
from portal.database.transaction import Connection


async def settle_drifts(held: Connection, account: Account, keys: Sequence[str]) -> None:
    """Close what the provider decides of objects that were just stored as it has them."""
    await held.execute(
        """
        UPDATE sync_difference SET state = 'gone', resolved_at = now()
        WHERE account = $1 AND external_id = ANY ($2) AND state = 'open' AND kind = 'drift'
              AND trusted = 'theirs'
        """,
        account.id,
        [key.partition(":")[2] for key in keys],
    )
