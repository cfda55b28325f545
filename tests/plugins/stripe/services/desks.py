"""What people do in the portal during a history, and the worker that tells Stripe of it."""

from __future__ import annotations

from datetime import UTC, datetime

from plugins.stripe.services.publishing import run_sync_task
from portal.audit.services import SYSTEM
from portal.database.transaction import connection
from portal.errors import Conflict, InvalidInput
from portal.invoices.closing import OfflinePayment, record_offline_payment
from portal.invoices.credits import CreditRequest, request_credit
from portal.invoices.payable import payable_invoice
from portal.money import Money

QUARTERS = 4


async def record_part(stripe_invoice: str, quarters: int) -> int:
    """Some quarters of what is owed, as the portal knows it, came by bank transfer; how much that was."""
    found = await _part_of(stripe_invoice, quarters)
    if found is None:
        return 0
    invoice_id, amount = found
    payment = OfflinePayment(amount, "Bank transfer", "", datetime.now(UTC))
    try:
        await record_offline_payment(invoice_id, payment, actor=SYSTEM)
    except (Conflict, InvalidInput):
        return 0  # it is not owed here, or a payment is under way
    return amount.amount_minor


async def ask_for_credit(stripe_invoice: str, quarters: int) -> None:
    """The same part is not to be asked for any more. Stripe may refuse it later."""
    found = await _part_of(stripe_invoice, quarters)
    if found is None:
        return
    try:
        await request_credit(found[0], CreditRequest(found[1]), actor=SYSTEM)
    except (Conflict, InvalidInput):
        return  # as above, or nothing is left besides what was asked for before


async def tell_stripe() -> bool:
    """Do every task that waits; whether there was any."""
    async with connection() as held:
        rows = await held.fetch("SELECT id FROM sync_task WHERE state IN ('waiting', 'unknown') ORDER BY id")
    for row in rows:
        await run_sync_task(row["id"])
    return bool(rows)


async def _part_of(stripe_invoice: str, quarters: int) -> tuple[int, Money] | None:
    async with connection() as held:
        invoice_id = await held.fetchval("SELECT id FROM invoice WHERE external_id = $1", stripe_invoice)
    if invoice_id is None:
        return None  # nobody here has heard of it yet
    due = (await payable_invoice(invoice_id)).amount_due
    amount = due.amount_minor * quarters // QUARTERS
    return (invoice_id, Money(amount, due.currency)) if amount else None
