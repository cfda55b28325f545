"""Credits as rows: asked for here or made at the provider. What they took off stands in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from portal.contract.facts import CreditSeen, Mode
from portal.database.transaction import Connection
from portal.money import Money


@dataclass(frozen=True, slots=True)
class CreditStep:
    """What a fact changed of a credit: its state before (empty: it is new) and after."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class NewCredit:
    """A credit that somebody here asks for. `status`: `requested`, or `issued` where no provider is asked."""

    invoice_id: int
    account_id: int | None
    mode: Mode
    amount: Money
    status: str
    reason: str
    requested_by: str


async def add_credit(held: Connection, credit: NewCredit) -> int:
    """Add the row; returns its id."""
    added: int = await held.fetchval(
        """
        INSERT INTO credit (invoice, account, mode, amount_minor, currency, status, reason, requested_by,
                            created_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now(), now()) RETURNING id
        """,
        credit.invoice_id,
        credit.account_id,
        credit.mode.value,
        credit.amount.amount_minor,
        credit.amount.currency,
        credit.status,
        credit.reason,
        credit.requested_by,
    )
    return added


async def requested_of(held: Connection, invoice_id: int) -> int:
    """What credits are asked for and not in the ledger yet. Call it with the invoice's row locked."""
    asked: int = await held.fetchval(
        """
        SELECT coalesce(sum(amount_minor), 0)::bigint FROM credit
        WHERE invoice = $1 AND status = 'requested'
        """,
        invoice_id,
    )
    return asked


async def count_of(held: Connection, invoice_id: int) -> int:
    """How many credits the invoice has, whatever became of them."""
    count: int = await held.fetchval("SELECT count(*) FROM credit WHERE invoice = $1", invoice_id)
    return count


async def store_credit(held: Connection, account_id: int, mode: Mode, fact: CreditSeen) -> CreditStep | None:
    """Keep the credit as it stands; None when that is known, or when it is of another invoice.

    Call it with the invoice's row locked. One that is void stays so.
    """
    known = await held.fetchrow(
        """
        SELECT id, invoice, status, external_id FROM credit
        WHERE account = $1 AND (external_id = $3 OR id = $4 AND invoice = $2 AND external_id IS NULL)
        ORDER BY external_id IS NULL LIMIT 1
        """,
        account_id,
        fact.invoice_id,
        fact.external_id,
        fact.credit_id,
    )
    if known is None:
        await _add_seen(held, account_id, mode, fact)
        return CreditStep("", fact.status)
    if known["invoice"] != fact.invoice_id or known["status"] in (fact.status, "void"):
        return None
    await held.execute(
        """
        UPDATE credit SET external_id = $2, status = $3, failure = '', changed_at = now() WHERE id = $1
        """,
        known["id"],
        fact.external_id,
        fact.status,
    )
    return CreditStep(known["status"], fact.status)


async def _add_seen(held: Connection, account_id: int, mode: Mode, fact: CreditSeen) -> None:
    await held.execute(
        """
        INSERT INTO credit (invoice, account, mode, external_id, amount_minor, currency, status, reason,
                            created_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())
        """,
        fact.invoice_id,
        account_id,
        mode.value,
        fact.external_id,
        fact.amount.amount_minor,
        fact.amount.currency,
        fact.status,
        fact.reason,
        fact.occurred_at,
    )
