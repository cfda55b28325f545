"""Guesses are counted before a password is looked at, in PostgreSQL, for all processes."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from portal.auth.rules import FREE_TRIES_ACCOUNT, FREE_TRIES_NETWORK, Counter, next_counter, say_wait
from portal.database.transaction import Connection, connection, transaction
from portal.errors import PortalError
from portal.web.addresses import network_of


class TooManyAttempts(PortalError):
    """The account or the network has to wait."""

    code = "TOO_MANY_ATTEMPTS"
    status_code = 429

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"Too many attempts. Try again in {say_wait(wait)}.")


async def admit(kind: str, *, account: str, address: str) -> None:
    """Count one try for the network and the account, and refuse it when either has to wait.

    The try is counted before it is made: tries at the same moment cannot all slip through.

    Raises:
        TooManyAttempts: with the time to wait. Nothing was counted then.
    """
    async with transaction() as tx:
        for subject, free_tries in _subjects(kind, account, address):
            await _count(tx.connection, subject, free_tries)


async def forgive(kind: str, *, account: str, address: str) -> None:
    """The try was right: the account starts afresh, the network gets this one try back."""
    (network, _), (own, _) = _subjects(kind, account, address)
    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE login_attempt SET tries = greatest(tries - 1, 0), free_at = now() WHERE subject = $1",
            network,
        )
        await tx.connection.execute("DELETE FROM login_attempt WHERE subject = $1", own)


async def forget_old_attempts() -> int:
    """Delete counters that nobody touched for a day; returns how many."""
    async with connection() as held:
        gone: list[object] = await held.fetch(
            "DELETE FROM login_attempt WHERE last_at < now() - interval '1 day' RETURNING id"
        )
    return len(gone)


def _subjects(kind: str, account: str, address: str) -> tuple[tuple[bytes, int], tuple[bytes, int]]:
    # Always in this order: two tries that lock both rows cannot wait for each other in a circle.
    return (
        (_hash(kind, "network", network_of(address)), FREE_TRIES_NETWORK),
        (_hash(kind, "account", account.casefold()), FREE_TRIES_ACCOUNT),
    )


def _hash(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


async def _count(held: Connection, subject: bytes, free_tries: int) -> None:
    row = await held.fetchrow(
        # The upsert changes nothing; it is there to lock the row, new or old.
        "INSERT INTO login_attempt (subject, tries, last_at, free_at) VALUES ($1, 0, now(), now()) "
        "ON CONFLICT (subject) DO UPDATE SET tries = login_attempt.tries "
        "RETURNING tries, last_at, free_at, clock_timestamp() AS now",
        subject,
    )
    assert row is not None  # noqa: S101 - an upsert always returns its row
    now: datetime = row["now"]
    after = next_counter(
        Counter(row["tries"], row["last_at"], row["free_at"]), free_tries=free_tries, now=now
    )
    if after is None:
        raise TooManyAttempts(row["free_at"] - now)
    await held.execute(
        "UPDATE login_attempt SET tries = $2, last_at = $3, free_at = $4 WHERE subject = $1",
        subject,
        after.tries,
        after.last_at,
        after.free_at,
    )
