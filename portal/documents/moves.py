"""The ledger as a customer reads it: payments, what went back, and what was credited. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.invoices.details import LedgerRow
from portal.money import Money, total

WORDS = {
    ("payment", True): "Payment",
    ("payment", False): "Not paid by your bank after all",
    ("offline", True): "Payment",
    ("refund", False): "Refund",
    ("refund", True): "Refund that came back",
    ("dispute", False): "Taken back by your bank",
    ("dispute", True): "Given back by your bank",
}
"""By kind, and whether it is money that comes."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Rows of the ledger, oldest first. Those of `returned` are negative, but for what came back again."""

    payments: tuple[LedgerRow, ...]
    returned: tuple[LedgerRow, ...]
    credited: tuple[LedgerRow, ...]
    """Credit notes, and the voiding of such."""
    currency: str

    @property
    def received(self) -> Money:
        """What the payments come to: one that its bank took back after all is negative among them."""
        return self.sum_of(self.payments)

    @property
    def money(self) -> list[LedgerRow]:
        """What came and went, in order."""
        return sorted((*self.payments, *self.returned), key=lambda row: row.occurred_at)

    def sum_of(self, rows: Sequence[LedgerRow]) -> Money:
        """What the rows come to."""
        return total([row.amount for row in rows], self.currency)


def sort_out(rows: Sequence[LedgerRow], currency: str) -> Moves:
    """Tell the rows of an invoice apart."""
    in_order = sorted(rows, key=lambda row: row.occurred_at)
    credited = [row for row in in_order if row.is_credit_note]
    others = [row for row in in_order if row not in credited]
    return Moves(
        payments=tuple(row for row in others if row.is_payment),
        returned=tuple(row for row in others if row.kind in ("refund", "dispute")),
        credited=tuple(credited),
        currency=currency,
    )


def words_for(row: LedgerRow) -> str:
    """What happened with the money."""
    return WORDS.get((row.kind, row.amount.amount_minor > 0), row.kind.capitalize())
