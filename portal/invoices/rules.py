"""What an invoice amounts to, and what its status is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo


class InvoiceStatus(StrEnum):
    """Every status there is. Past due is no status: it follows from the due date."""

    DRAFT = "draft"
    OPEN = "open"
    PROCESSING = "processing"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    REFUNDED = "refunded"
    UNCOLLECTIBLE = "uncollectible"
    VOID = "void"


PAYABLE = frozenset({InvoiceStatus.OPEN, InvoiceStatus.PARTLY_PAID, InvoiceStatus.UNCOLLECTIBLE})
"""Statuses in which a customer may start a payment."""
UNCOLLECTED = "i.origin = 'provider' AND i.due_date IS NULL AND i.attempts > 0"
"""Of an invoice `i`, in SQL: the provider collects it by itself, and tried in vain."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that a status follows from. Amounts in minor units of the invoice's currency."""

    total_minor: int
    received_minor: int
    returned_minor: int
    processing: bool
    closed: InvoiceStatus | None
    """`VOID` or `UNCOLLECTIBLE` when somebody closed it."""
    held_minor: int = 0
    """The part of what went back that a bank holds until a dispute is decided."""
    credited_minor: int = 0
    """What was settled without money: it makes the debt less, and outweighs nothing that anybody declared."""


def next_status(standing: Standing) -> InvoiceStatus:
    """The status of a finalised invoice. Money that arrived outweighs what anybody declared.

    A dispute that is not decided changes nothing yet: the customer paid, and the money may come back. One
    that was lost reads like a refund: the customer has the money again, and owes nothing.
    """
    if standing.received_minor > 0 or standing.total_minor <= 0:
        return _status_of_paid(standing)
    if standing.credited_minor >= standing.total_minor:
        return InvoiceStatus.PAID
    if standing.closed is InvoiceStatus.VOID:
        return InvoiceStatus.VOID
    if standing.processing:
        return InvoiceStatus.PROCESSING
    untouched = InvoiceStatus.PARTLY_PAID if standing.credited_minor > 0 else InvoiceStatus.OPEN
    return standing.closed or untouched


def amount_due(total_minor: int, paid_minor: int, returned_minor: int) -> int:
    """What is left to pay, never below nothing. What went back is not owed again."""
    return max(total_minor - paid_minor - returned_minor, 0)


def overpaid(total_minor: int, paid_minor: int) -> int:
    """What came on top of the total and did not go back."""
    return max(paid_minor - max(total_minor, 0), 0)


def _status_of_paid(standing: Standing) -> InvoiceStatus:
    gone_minor = standing.returned_minor - standing.held_minor
    if standing.total_minor > 0 and gone_minor >= standing.received_minor:
        return InvoiceStatus.REFUNDED
    if standing.received_minor + standing.credited_minor >= standing.total_minor:
        return InvoiceStatus.PAID
    return InvoiceStatus.PROCESSING if standing.processing else InvoiceStatus.PARTLY_PAID


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A line as it is stored: `amount_minor` is always `quantity` times `unit_minor`."""

    description: str
    quantity: int
    unit_minor: int

    @property
    def amount_minor(self) -> int:
        """Without tax."""
        return self.unit_minor * self.quantity


def imported_lines(lines: Iterable[tuple[str, int, int]], subtotal_minor: int) -> list[StoredLine]:
    """A provider's lines (words, quantity, amount) as ours.

    What they leave unexplained of the subtotal becomes a line of its own.
    """
    stored = [_imported_line(*line) for line in lines]
    rest = subtotal_minor - sum(line.amount_minor for line in stored)
    if rest:
        words = "Other charges" if rest > 0 else "Discounts and credits"
        stored.append(StoredLine(words if stored else "Total of the invoice", 1, rest))
    return stored


def _imported_line(words: str, quantity: int, amount_minor: int) -> StoredLine:
    words = words or "Without a description"
    if quantity > 0 and amount_minor % quantity == 0:
        return StoredLine(words, quantity, amount_minor // quantity)
    return StoredLine(f"{words} ({quantity} in all)" if quantity > 1 else words, 1, amount_minor)


def collection_words(attempts: int, next_attempt_at: datetime | None, failure: str, *, zone: ZoneInfo) -> str:
    """How the provider's own attempts to collect it are going, as a sentence; days are those of `zone`."""
    said = (
        [f"The provider tried {attempts} time{'' if attempts == 1 else 's'} to collect it"]
        if attempts
        else []
    )
    if next_attempt_at is not None:
        day = next_attempt_at.astimezone(zone)
        said.append(f"{'the' if said else 'The'} next attempt is due {day:%-d %b %Y}")
    sentence = f"{', '.join(said)}." if said else ""
    return f"{sentence} {failure}".strip()


def dispute_stage(status: str, *, withdrawn: bool) -> str:
    """What a dispute means for people now.

    `answer`: somebody has to answer it; `held`: the bank keeps the money until it decides; `lost`: for good;
    `watch`: a question without consequences so far; empty: over, with the money where it belongs.
    """
    if status.endswith("needs_response"):
        return "answer"
    if status == "lost":
        return "lost" if withdrawn else ""
    if withdrawn:
        return "held"
    return "" if status in ("won", "prevented") or status.endswith("closed") else "watch"
