"""The ledger's few verbs. Unique keys, not memory, keep a payment from counting twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from portal.contract.facts import Mode
from portal.database.transaction import Connection
from portal.money import Money
from portal.payments.rules import COLLECTED


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Money that moved, or a debt that became less. `kind`: as in the table; the amount has its sign."""

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
    credited_minor: int
    """What was let go, or settled with the customer's credit: no money moved."""
    returned_minor: int
    """What went back by refunds and disputes; what came back of it again is taken off."""
    held_minor: int
    """The part of it that banks hold in disputes which are not decided."""
    processing: bool


class Recorded(StrEnum):
    """What became of an entry."""

    ADDED = "added"
    COMPLETED = "completed"
    """The row was there; its unknown method was filled in."""
    KNOWN = "known"


async def record_entry(
    connection: Connection, entry: LedgerEntry, attempt: Attempt | None = None
) -> Recorded:
    """Add a row to the ledger unless it is there. A method that was unknown is filled in.

    `attempt`: the try that brought the money, noted like by `record_attempt`.
    """
    if attempt is not None:
        both = await connection.fetchrow(_ADD_BOTH, *_entry_values(entry), *_attempt_values(attempt))
        added, noted = both or (None, None)
        if noted is None:
            await _fill_in(connection, attempt)
    else:
        added = await connection.fetchval(_ADD, *_entry_values(entry))
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


async def record_entries(
    connection: Connection, entries: Sequence[LedgerEntry]
) -> frozenset[tuple[int, str]]:
    """Add many rows of one account to the ledger; the invoices and names of those that were not there."""
    if not entries:
        return frozenset()
    columns = zip(*(_entry_values(entry) for entry in entries), strict=True)
    added = await connection.fetch(
        """
        INSERT INTO payment (invoice, account, mode, kind, external_id, amount_minor, currency, method,
                             occurred_at, recorded_at)
        SELECT *, now() FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[],
                                    $6::bigint[], $7::text[], $8::text[], $9::timestamptz[])
        ON CONFLICT ON CONSTRAINT payment_once DO NOTHING RETURNING invoice, external_id
        """,
        *(list(column) for column in columns),
    )
    return frozenset((row["invoice"], row["external_id"]) for row in added)


async def record_successes(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """Note many attempts of one account that succeeded and were not known as under way."""
    if not attempts:
        return
    await connection.execute(
        """
        INSERT INTO payment_attempt (invoice, account, mode, external_id, state, amount_minor, currency,
                                     method, occurred_at, recorded_at)
        SELECT invoice, $1, $2, external_id, 'succeeded', amount, currency, method, occurred_at, now()
        FROM unnest($3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[])
             AS n(invoice, external_id, amount, currency, method, occurred_at)
        ON CONFLICT ON CONSTRAINT payment_attempt_once DO NOTHING
        """,
        attempts[0].account_id,
        attempts[0].mode.value,
        [attempt.invoice_id for attempt in attempts],
        [attempt.external_id for attempt in attempts],
        [attempt.amount.amount_minor for attempt in attempts],
        [attempt.amount.currency for attempt in attempts],
        [attempt.method for attempt in attempts],
        [attempt.occurred_at for attempt in attempts],
    )


def _entry_values(entry: LedgerEntry) -> tuple[Any, ...]:
    return (
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


async def record_attempt(connection: Connection, attempt: Attempt) -> bool:
    """Note an attempt, or how it went on; False when its state is as it was. A final state is never left."""
    changed = await connection.fetchval(_note_attempt(1), *_attempt_values(attempt))
    if changed is None:
        await _fill_in(connection, attempt)
    return changed is not None


async def _fill_in(connection: Connection, attempt: Attempt) -> None:
    """What the first reading could not tell: it may have come before the events that tell more."""
    if attempt.method or attempt.expected_at:
        await connection.execute(
            """
            UPDATE payment_attempt
            SET method = coalesce(method, $3), expected_at = coalesce(expected_at, $4::timestamptz)
            WHERE account = $1 AND external_id = $2
                  AND (method IS NULL AND $3::text IS NOT NULL
                       OR expected_at IS NULL AND $4::timestamptz IS NOT NULL)
            """,
            attempt.account_id,
            attempt.external_id,
            attempt.method,
            attempt.expected_at,
        )


def _attempt_values(attempt: Attempt) -> tuple[Any, ...]:
    return (
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


def _note_attempt(first: int) -> str:
    """The statement whose values begin with this parameter.

    One attempt of an invoice at most is under way: a second one waits until a reading says that the first
    ended. The unique index refuses what this condition would overlook.
    """
    values = ", ".join(f"${number}" for number in range(first, first + 12))
    invoice, name, state = (f"${first + place}" for place in (0, 3, 4))
    return f"""
    INSERT INTO payment_attempt AS old (invoice, account, mode, external_id, state, amount_minor,
        currency, method, code, reason, expected_at, occurred_at, awaited, recorded_at)
    SELECT {values}, {state}::text = 'processing', now()
    WHERE {state}::text <> 'processing' OR NOT EXISTS (
        SELECT FROM payment_attempt o
        WHERE o.invoice = {invoice}::bigint AND o.state = 'processing' AND o.external_id <> {name}::text)
    ON CONFLICT ON CONSTRAINT payment_attempt_once DO UPDATE
    SET state = excluded.state, code = excluded.code, reason = excluded.reason,
        method = coalesce(excluded.method, old.method),
        expected_at = coalesce(excluded.expected_at, old.expected_at),
        recorded_at = excluded.recorded_at
    WHERE old.state = 'processing' AND old.state <> excluded.state
    RETURNING id
    """  # noqa: S608 - numbers of parameters


_ADD = """
INSERT INTO payment (invoice, account, mode, kind, external_id, amount_minor, currency, method,
                     occurred_at, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())
ON CONFLICT ON CONSTRAINT payment_once DO NOTHING RETURNING id
"""
_ADD_BOTH = f"""
WITH noted AS ({_note_attempt(10)}), added AS ({_ADD})
SELECT (SELECT id FROM added) AS added, (SELECT id FROM noted) AS noted
"""  # noqa: S608 - constants


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
        f"""
        SELECT coalesce(sum(amount_minor) FILTER (WHERE kind IN ('payment', 'offline') AND {COLLECTED}),
                        0)::bigint AS received,
               coalesce(sum(amount_minor) FILTER (WHERE NOT {COLLECTED}), 0)::bigint AS credited,
               coalesce(-sum(amount_minor) FILTER (WHERE kind IN ('refund', 'dispute')), 0)::bigint
                   AS returned,
               (SELECT coalesce(-sum(q.amount_minor), 0)::bigint FROM dispute d JOIN payment q
                ON q.invoice = d.invoice AND q.kind = 'dispute'
                   AND (q.external_id = d.external_id OR starts_with(q.external_id, d.external_id || ':'))
                WHERE d.invoice = $1 AND d.withdrawn AND d.status <> 'lost') AS held,
               EXISTS (SELECT FROM payment_attempt a WHERE a.invoice = $1 AND a.state = 'processing')
                   AS processing
        FROM payment WHERE invoice = $1
        """,  # noqa: S608 - a constant
        invoice_id,
    )
    assert row is not None  # noqa: S101 - an aggregate always has a row; this tells the type checker
    return LedgerSums(*(row[name] for name in ("received", "credited", "returned", "held", "processing")))


async def offline_of(connection: Connection, invoice_id: int) -> tuple[int, dict[str, int]]:
    """What people recorded as paid without a provider, and what the provider told of by its names."""
    rows = await connection.fetch(
        "SELECT account, external_id, amount_minor FROM payment WHERE invoice = $1 AND kind = 'offline'",
        invoice_id,
    )
    recorded = sum(row["amount_minor"] for row in rows if row["account"] is None)
    return recorded, {row["external_id"]: row["amount_minor"] for row in rows if row["account"] is not None}
