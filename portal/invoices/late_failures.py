"""A bank took days to say no: the customer, who believes to have paid, is told."""

from __future__ import annotations

from collections.abc import Sequence

from portal.audit.sources import Source
from portal.contract.facts import InvoiceFact, PaymentFailed
from portal.database.transaction import Connection
from portal.invoices.rows import LockedInvoice
from portal.invoices.rules import PAYABLE, InvoiceStatus
from portal.mail.servers import may_write_by_itself
from portal.mail.services import Mail, queue_mail
from portal.settings import current_settings


async def under_way_of(held: Connection, invoice: LockedInvoice) -> frozenset[str]:
    """The attempts that the invoice waits for. Ask before facts are applied."""
    if invoice.status is not InvoiceStatus.PROCESSING:
        return frozenset()
    rows = await held.fetch(
        "SELECT external_id FROM payment_attempt WHERE invoice = $1 AND state = 'processing'", invoice.id
    )
    return frozenset(row["external_id"] for row in rows)


async def write_of_failure(
    held: Connection,
    source: Source,
    invoice_id: int,
    facts: Sequence[InvoiceFact],
    *,
    awaited: frozenset[str],
) -> None:
    """Write to the customer, once for an attempt. Call it when the invoice can be paid again."""
    failed = [f for f in facts if isinstance(f, PaymentFailed) and f.attempt_id in awaited]
    if not failed or not may_write_by_itself(source.mode.value, current_settings()):
        return
    address = await held.fetchval(
        """
        SELECT c.email FROM invoice i JOIN customer c ON c.id = i.customer
        WHERE i.id = $1 AND i.origin = 'portal' AND c.erased_at IS NULL
        """,
        invoice_id,
    )
    if address:
        key = f"payment_failed:{source.account_id}:{failed[-1].attempt_id}"
        mail = Mail(key, "payment_failed", ("invoice", invoice_id), source.mode.value, address)
        await queue_mail(held, mail)


def is_open_again(before: InvoiceStatus, after: InvoiceStatus) -> bool:
    """Whether an invoice that waited for a bank can be paid again."""
    return before is InvoiceStatus.PROCESSING and after in PAYABLE
