"""Old news never overwrites new: whoever writes what was read says when the reading began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from portal.accounts.services import DISCONNECTED, AccountDisconnected
from portal.contract.accounts import Account
from portal.database.transaction import Connection
from portal.webhooks.locks import UNTIL_COMMIT, lock_values


def _write(account: str, mode: str, keys: str, began: str) -> str:
    # A time that has not come yet is of a clock that was put back since: it must not keep everybody out.
    return f"""
    INSERT INTO object_reading AS last (account, mode, object_key, read_at)
    SELECT {account}::bigint, {mode}::text, wanted.key, clock_timestamp()
    FROM unnest({keys}::text[]) AS wanted(key) ORDER BY wanted.key
    ON CONFLICT ON CONSTRAINT object_reading_once DO UPDATE SET read_at = clock_timestamp()
    WHERE last.read_at <= {began}::timestamptz OR last.read_at > clock_timestamp()
    RETURNING object_key
    """  # noqa: S608 - parameters


_WRITE = _write("$1", "$2", "$3", "$4")
# A disconnect does not wait for the end of the transaction, but ends what it leaves waiting. The invoice is
# locked after the fence, as by everybody who needs both, and before it is read: the next statement sees what
# those wrote about it who had the lock before.
_OPEN = f"""
WITH connected AS (SELECT state FROM connected_account WHERE id = $3 FOR KEY SHARE),
     written AS ({_write("$3", "$4", "ARRAY[$2]", "$5")}),
     fence AS MATERIALIZED (SELECT EXISTS (SELECT FROM written) AS passed),
     invoice AS (SELECT i.id FROM invoice i WHERE i.id = $6 AND (SELECT passed FROM fence) FOR UPDATE)
SELECT state, passed, (SELECT id FROM invoice) AS invoice, CASE WHEN passed THEN {UNTIL_COMMIT} END
FROM connected, fence
"""  # noqa: S608 - constants


async def reading_begins(held: Connection) -> datetime:
    """The database's time now. Ask for it before the provider is asked."""
    began: datetime = await held.fetchval("SELECT clock_timestamp()")
    return began


async def open_writing(
    held: Connection, account: Account, key: str, *, began: datetime, invoice_id: int | None = None
) -> bool:
    """Begin to write what was read of an object: whether it passes, with its connection held as it is.

    Call it with the object's lock held. When it passes, the transaction holds that lock from now on, and the
    row of the invoice that the reading is about.

    Raises:
        AccountDisconnected: what was read with its key must have no effect any more.
    """
    number, name, _ = lock_values(account.id, key)
    row = await held.fetchrow(_OPEN, number, name, account.id, account.mode.value, began, invoice_id)
    if row is None or row["state"] == "disconnected":
        raise AccountDisconnected(DISCONNECTED)
    return bool(row["passed"])


async def pass_fences(
    held: Connection, account: Account, keys: Sequence[str], *, began: datetime
) -> frozenset[str]:
    """Which of these objects may be written, inside the transaction that writes them.

    An object passes when nothing was written of it since the reading began. Those that pass count as written
    now, so two readings that overlap never both pass. The keys are those of subjects, each at most once.
    """
    rows = await held.fetch(_WRITE, account.id, account.mode.value, list(keys), began)
    return frozenset(row["object_key"] for row in rows)


async def pass_fence(held: Connection, account: Account, key: str, *, began: datetime) -> bool:
    """The same for one object."""
    return bool(await pass_fences(held, account, [key], began=began))
