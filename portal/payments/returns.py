"""Money that goes back: refunds and disputes, and what the ledger says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from portal.contract.facts import DisputeSeen, Mode, RefundSeen
from portal.database.transaction import Connection
from portal.money import Money
from portal.payments.rules import WITHDRAWN, follows
from portal.payments.services import LedgerEntry, Recorded, record_entry


@dataclass(frozen=True, slots=True)
class RefundStep:
    """What a fact changed of a refund: its state before and after."""

    id: int
    before: str
    after: str


async def store_refund(held: Connection, account_id: int, mode: Mode, fact: RefundSeen) -> RefundStep | None:
    """Keep the refund as it stands; None when that is known, or when it is of a payment for another invoice.

    Call it with the invoice's row locked.
    """
    known = await held.fetchrow(
        """
        SELECT id, invoice, status, external_id FROM refund
        WHERE account = $1 AND (external_id = $3 OR id = $4 AND invoice = $2 AND external_id IS NULL)
        ORDER BY external_id IS NULL LIMIT 1
        """,
        account_id,
        fact.invoice_id,
        fact.external_id,
        fact.refund_id,
    )
    if known is None:
        return RefundStep(await _add_refund(held, account_id, mode, fact), "", fact.status)
    if known["invoice"] != fact.invoice_id:
        return None
    if known["external_id"] is not None and not follows(known["status"], fact.status):
        return None
    await held.execute(
        """
        UPDATE refund SET external_id = $2, status = $3, failure = $4, changed_at = now() WHERE id = $1
        """,
        known["id"],
        fact.external_id,
        fact.status,
        fact.failure,
    )
    return RefundStep(known["id"], known["status"], fact.status)


async def store_dispute(held: Connection, account_id: int, mode: Mode, fact: DisputeSeen) -> str | None:
    """Keep the dispute as it stands; the state before (empty: it is new), or None when all of it is known."""
    before = await held.fetchval(
        "SELECT status FROM dispute WHERE account = $1 AND external_id = $2 FOR UPDATE",
        account_id,
        fact.external_id,
    )
    changed = await held.fetchval(
        """
        INSERT INTO dispute AS old (invoice, account, mode, external_id, payment_external_id, amount_minor,
                                    currency, status, reason, respond_by, withdrawn, opened_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now())
        ON CONFLICT ON CONSTRAINT dispute_once DO UPDATE
        SET amount_minor = excluded.amount_minor, status = excluded.status, reason = excluded.reason,
            respond_by = excluded.respond_by, withdrawn = excluded.withdrawn, changed_at = now()
        WHERE old.invoice = excluded.invoice
          AND (old.amount_minor, old.status, old.reason, old.respond_by, old.withdrawn)
              IS DISTINCT FROM (excluded.amount_minor, excluded.status, excluded.reason, excluded.respond_by,
                                excluded.withdrawn)
        RETURNING id
        """,
        fact.invoice_id,
        account_id,
        mode.value,
        fact.external_id,
        fact.payment_external_id,
        fact.amount.amount_minor,
        fact.amount.currency,
        fact.status,
        fact.reason,
        fact.respond_by,
        fact.withdrawn,
        fact.occurred_at,
    )
    return None if changed is None else str(before or "")


async def bring_to(held: Connection, entry: LedgerEntry, *, back: str) -> Money | None:
    """Add what is missing until the rows of `entry.external_id` come to its amount; None: nothing is.

    Money may leave and return several times: each time is a row of its own, `back` names the ones that return
    it. Call it with the invoice's row locked, so that two callers cannot add the same row.
    """
    row = await held.fetchrow(
        """
        SELECT coalesce(sum(amount_minor), 0)::bigint AS stands_at, count(*) AS rows FROM payment
        WHERE account = $1 AND kind = $2 AND invoice = $3
          AND (external_id = $4 OR starts_with(external_id, $4 || ':'))
        """,
        entry.account_id,
        entry.kind,
        entry.invoice_id,
        entry.external_id,
    )
    stands_at, rows = (row["stands_at"], row["rows"]) if row else (0, 0)
    missing = entry.amount.amount_minor - stands_at
    if not missing:
        return None
    moved = Money(missing, entry.amount.currency)
    name = _name_of(entry.external_id, rows, back if missing > 0 else WITHDRAWN)
    # One that stands in the ledger already is of a payment for another invoice.
    added = await record_entry(held, replace(entry, external_id=name, amount=moved))
    return moved if added is Recorded.ADDED else None


def _name_of(external_id: str, rows: int, what: str) -> str:
    if not rows:
        return external_id
    return f"{external_id}:{what}" if rows == 1 else f"{external_id}:{what}:{rows}"


async def _add_refund(held: Connection, account_id: int, mode: Mode, fact: RefundSeen) -> int:
    added: int = await held.fetchval(
        """
        INSERT INTO refund (invoice, account, mode, external_id, payment_external_id, amount_minor, currency,
                            status, reason, failure, created_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now()) RETURNING id
        """,
        fact.invoice_id,
        account_id,
        mode.value,
        fact.external_id,
        fact.payment_external_id,
        fact.amount.amount_minor,
        fact.amount.currency,
        fact.status,
        fact.reason,
        fact.failure,
        fact.occurred_at,
    )
    return added
