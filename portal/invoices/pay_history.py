"""What the ledger and the attempts tell whoever pays: the payment, credits, what a bank returned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.database.transaction import connection
from portal.money import Money


@dataclass(frozen=True, slots=True)
class ToldPayment:
    """The last payment that was received, or the one under way."""

    amount: Money
    method: str | None
    date: datetime
    expected_at: datetime | None


@dataclass(frozen=True, slots=True)
class BankReturn:
    """A bank payment that was believed to be under way, or paid, and was not paid after all."""

    amount: Money
    date: datetime
    code: str
    """The provider's. Its plugin knows which words for it are fit for customers: it is never shown itself."""
    was_paid: bool = False
    """Whether it had succeeded before: then the provider's copy may stay paid, and take no other payment."""


@dataclass(frozen=True, slots=True)
class PayHistory:
    """Of one invoice."""

    payment: ToldPayment | None
    returned_by_bank: BankReturn | None
    """When nothing was tried since."""
    credited: Money


async def pay_history(invoice_id: int, currency: str) -> PayHistory:
    """Read it. Sums are in the invoice's currency, which every row of its ledger has."""
    async with connection() as held:
        credited = await held.fetchval(_CREDITED, invoice_id)
        payment = await held.fetchrow(_PAYMENT, invoice_id)
        last = await held.fetchrow(_LAST_TRY, invoice_id)
    return PayHistory(
        payment=_payment(payment) if payment else None,
        returned_by_bank=_bank_return(last) if last and last["came_back"] else None,
        credited=Money(credited, currency),
    )


def _payment(row: Mapping[str, Any]) -> ToldPayment:
    amount = Money(row["amount_minor"], row["currency"])
    return ToldPayment(amount, row["method"], row["occurred_at"], row["expected_at"])


def _bank_return(row: Mapping[str, Any]) -> BankReturn:
    return BankReturn(
        Money(row["amount_minor"], row["currency"]), row["at"], row["code"], was_paid=row["was_paid"]
    )


_CREDITED = """
SELECT coalesce(sum(amount_minor), 0)::bigint FROM payment
WHERE invoice = $1 AND kind = 'credit'
"""
_PAYMENT = """
SELECT amount_minor, currency, method, occurred_at, NULL::timestamptz AS expected_at, 1 AS rank, id
FROM payment WHERE invoice = $1 AND amount_minor > 0 AND kind IN ('payment', 'offline')
UNION ALL
SELECT amount_minor, currency, method, occurred_at, expected_at, 0 AS rank, id
FROM payment_attempt WHERE invoice = $1 AND state = 'processing'
ORDER BY rank, id DESC LIMIT 1
"""
_LAST_TRY = """
SELECT amount_minor, currency, recorded_at AS at, code,
       state = 'failed' AND awaited AS came_back, false AS was_paid
FROM payment_attempt WHERE invoice = $1
UNION ALL
SELECT -amount_minor, currency, recorded_at, '', amount_minor < 0, amount_minor < 0
FROM payment WHERE invoice = $1 AND kind = 'payment'
ORDER BY at DESC, came_back DESC LIMIT 1
"""
"""An attempt that failed while it was waited for came back, whatever day it was expected on."""
