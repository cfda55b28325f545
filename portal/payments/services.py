"""The ledger's few verbs. Unique keys, not memory, keep a payment from counting twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from portal.contract.facts import Mode
from portal.database.transaction import Connection
from portal.money import Money


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Money that moved. `kind`: payment, refund, dispute or offline; the amount has its sign."""

    invoice_id: int
    account_id: int | None
    mode: Mode
    kind: str
    external_id: str
    amount: Money
    occurred_at: datetime
    method: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try to pay, as the provider last described it."""

    invoice_id: int
    account_id: int
    mode: Mode
    external_id: str
    state: str
    amount: Money
    occurred_at: datetime
    method: str | None = None
    code: str = ""
    reason: str = ""
    expected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LedgerSums:
    """What the rows of one invoice add up to, in its currency's minor units."""

    received_minor: int
    returned_minor: int
    processing: bool


class Recorded(StrEnum):
    """What became of an entry."""

    ADDED = "added"
    COMPLETED = "completed"
    """The row was there; its unknown method was filled in."""
    KNOWN = "known"


async def record_entry(connection: Connection, entry: LedgerEntry) -> Recorded:
    """Add a row to the ledger unless it is there. A method that was unknown is filled in."""
    added = await connection.fetchval(
        """
        INSERT INTO payment (invoice, account, mode, kind, external_id, amount_minor, currency, method,
                             occurred_at, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())
        ON CONFLICT ON CONSTRAINT payment_once DO NOTHING RETURNING id
        """,
        entry.invoice_id,
        entry.account_id,
        entry.mode.value,
        entry.kind,
        entry.external_id,
        entry.amount.amount_minor,
        entry.amount.currency,
        entry.method,
        entry.occurred_at,
    )
    if added is not None:
        return Recorded.ADDED
    if not entry.method:
        return Recorded.KNOWN
    completed = await connection.fetchval(
        """
            UPDATE payment SET method = $4
            WHERE account IS NOT DISTINCT FROM $1 AND external_id = $2 AND kind = $3 AND method IS NULL
            RETURNING id
            """,
        entry.account_id,
        entry.external_id,
        entry.kind,
        entry.method,
    )
    return Recorded.KNOWN if completed is None else Recorded.COMPLETED


async def record_attempt(connection: Connection, attempt: Attempt) -> bool:
    """Note an attempt, or how it went on; False when its state is as it was. A final state is never left."""
    changed = await connection.fetchval(
        """
        INSERT INTO payment_attempt AS old (invoice, account, mode, external_id, state, amount_minor,
            currency, method, code, reason, expected_at, occurred_at, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now())
        ON CONFLICT ON CONSTRAINT payment_attempt_once DO UPDATE
        SET state = excluded.state, code = excluded.code, reason = excluded.reason,
            method = coalesce(excluded.method, old.method), expected_at = excluded.expected_at,
            recorded_at = excluded.recorded_at
        WHERE old.state = 'processing' AND old.state <> excluded.state
        RETURNING id
        """,
        attempt.invoice_id,
        attempt.account_id,
        attempt.mode.value,
        attempt.external_id,
        attempt.state,
        attempt.amount.amount_minor,
        attempt.amount.currency,
        attempt.method,
        attempt.code,
        attempt.reason,
        attempt.expected_at,
        attempt.occurred_at,
    )
    if changed is None and attempt.method:
        await connection.execute(
            """
            UPDATE payment_attempt SET method = $3
            WHERE account = $1 AND external_id = $2 AND method IS NULL
            """,
            attempt.account_id,
            attempt.external_id,
            attempt.method,
        )
    return changed is not None


async def close_other_attempts(connection: Connection, invoice_id: int, under_way: frozenset[str]) -> int:
    """End the invoice's attempts that a fresh read of the provider no longer calls under way."""
    status = await connection.execute(
        """
        UPDATE payment_attempt SET state = 'failed', code = 'superseded', reason = 'The provider ended it.',
               recorded_at = now()
        WHERE invoice = $1 AND state = 'processing' AND NOT external_id = ANY($2::text[])
        """,
        invoice_id,
        list(under_way),
    )
    return int(status.split()[-1])


async def sums_of(connection: Connection, invoice_id: int) -> LedgerSums:
    """The sums of an invoice's ledger. Call it with the invoice's row locked."""
    row = await connection.fetchrow(
        """
        SELECT coalesce(sum(amount_minor) FILTER (WHERE amount_minor > 0), 0)::bigint AS received,
               coalesce(-sum(amount_minor) FILTER (WHERE amount_minor < 0), 0)::bigint AS returned,
               EXISTS (SELECT FROM payment_attempt a WHERE a.invoice = $1 AND a.state = 'processing')
                   AS processing
        FROM payment WHERE invoice = $1
        """,
        invoice_id,
    )
    assert row is not None  # noqa: S101 - an aggregate always has a row; this tells the type checker
    return LedgerSums(row["received"], row["returned"], row["processing"])
