"""An invoice's row, locked: what facts are applied to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.audit.sources import Source
from portal.contract.errors import EventQuarantined
from portal.database.transaction import Connection
from portal.invoices.rules import InvoiceStatus
from portal.money import Money


@dataclass(frozen=True, slots=True)
class LockedInvoice:
    """As it stood when its lock was taken."""

    id: int
    number: str
    status: InvoiceStatus
    currency: str
    total_minor: int
    copy: tuple[str | None, str, str, str] = (None, "", "", "")
    """Of the provider's copy: its id, its number, its page, and whether it is `in_step`."""
    collection: tuple[int, datetime | None, str] = (0, None, "")
    """How often it was tried, when the next time is, and why the last one failed."""
    amounts: tuple[int, int] | None = None
    """Paid and returned, in minor units; None: not read."""
    under_way: bool = True
    """Whether an attempt to pay may be under way."""

    @property
    def closed(self) -> InvoiceStatus | None:
        """What somebody declared it, if anything."""
        return self.status if self.status in (InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE) else None

    def must_match(self, amount: Money, what: str) -> None:
        """Refuse money of another currency.

        Raises:
            EventQuarantined: the invoice is in another one.
        """
        if amount.currency != self.currency:
            raise EventQuarantined(
                f"{what} in {amount.currency.upper()} was reported for an invoice in {self.currency.upper()}."
            )


async def lock_invoice(held: Connection, source: Source, invoice_id: int) -> LockedInvoice:
    """Lock the row until the transaction ends, so that two callers take turns.

    Raises:
        EventQuarantined: the invoice belongs to another connection or mode.
    """
    if source.locked != invoice_id:
        await held.execute("SELECT FROM invoice WHERE id = $1 FOR UPDATE", invoice_id)
    # A statement of its own: what those wrote who had the lock before us is seen by the next one alone.
    row = await held.fetchrow(_READ, invoice_id, source.account_id, source.mode.value)
    if row is None:
        raise EventQuarantined("The invoice belongs to another connection.")
    return LockedInvoice(
        id=row["id"],
        number=row["number"],
        status=InvoiceStatus(row["status"]),
        currency=row["currency"],
        total_minor=row["total_minor"],
        copy=(row["external_id"], row["external_number"], row["hosted_url"], row["sync_state"]),
        collection=(row["attempts"], row["next_attempt_at"], row["collection_failure"]),
        amounts=(row["amount_paid_minor"], row["amount_returned_minor"]),
        under_way=row["under_way"],
    )


_READ = """
SELECT id, coalesce(number, '') AS number, status, currency, total_minor, external_id, external_number,
       hosted_url, sync_state, attempts, next_attempt_at, collection_failure, amount_paid_minor,
       amount_returned_minor,
       EXISTS (SELECT FROM payment_attempt a WHERE a.invoice = i.id AND a.state = 'processing') AS under_way
FROM invoice i WHERE id = $1 AND account = $2 AND mode = $3 FOR UPDATE
"""
