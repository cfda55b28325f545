"""Refunds, credits and payments that came elsewhere, as a provider needs them."""

from __future__ import annotations

from portal.contract.orders import CreditOrder, OutsidePayment, RefundOrder
from portal.database.transaction import connection
from portal.errors import NotFound
from portal.money import Money
from portal.payments.rules import UNNAMED


async def refund_order(refund_id: int) -> RefundOrder:
    """The refund that a task is about.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT r.*, i.external_id AS invoice_external_id,
                   coalesce((SELECT instance_id::text FROM organisation LIMIT 1), '') AS instance
            FROM refund r JOIN invoice i ON i.id = r.invoice WHERE r.id = $1
            """,
            refund_id,
        )
    if row is None:
        raise NotFound("There is no such refund.")
    return RefundOrder(
        id=row["id"],
        key=f"{row['instance']}:{row['id']}",
        invoice_id=row["invoice"],
        invoice_external_id=row["invoice_external_id"],
        external_id=row["external_id"],
        payment_external_id=row["payment_external_id"],
        amount=Money(row["amount_minor"], row["currency"]),
        reason=row["reason"],
        status=row["status"],
    )


async def credit_order(credit_id: int) -> CreditOrder:
    """The credit that a task is about.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT c.*, i.external_id AS invoice_external_id,
                   coalesce((SELECT instance_id::text FROM organisation LIMIT 1), '') AS instance
            FROM credit c JOIN invoice i ON i.id = c.invoice WHERE c.id = $1
            """,
            credit_id,
        )
    if row is None:
        raise NotFound("There is no such credit.")
    return CreditOrder(
        id=row["id"],
        key=f"{row['instance']}:{row['id']}",
        invoice_id=row["invoice"],
        invoice_external_id=row["invoice_external_id"],
        external_id=row["external_id"],
        amount=Money(row["amount_minor"], row["currency"]),
        reason=row["reason"],
        status=row["status"],
    )


async def outside_payments(invoice_id: int) -> list[OutsidePayment]:
    """What people recorded as received without a provider, oldest first."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT p.*, coalesce((SELECT instance_id::text FROM organisation LIMIT 1), '') AS instance
            FROM payment p WHERE p.invoice = $1 AND p.kind = 'offline' AND p.account IS NULL
                 AND p.amount_minor > 0 ORDER BY p.id
            """,
            invoice_id,
        )
    return [
        OutsidePayment(
            id=row["id"],
            key=f"{row['instance']}:{row['id']}",
            amount=Money(row["amount_minor"], row["currency"]),
            method=row["method"] or "",
            reference=_reference(row["external_id"]),
            occurred_at=row["occurred_at"],
        )
        for row in rows
    ]


def _reference(external_id: str) -> str:
    """What somebody typed beside the payment: the name of its row without the part that makes it unique."""
    typed = external_id.rpartition(":")[0]
    return "" if typed == UNNAMED else typed
