"""A person has the provider charge the customer's saved method for an invoice again."""

from __future__ import annotations

from portal.audit.services import Actor
from portal.database.transaction import Connection, transaction
from portal.errors import Conflict
from portal.invoices.owed import Owed, lock_owed, note_on, shown
from portal.invoices.rules import InvoiceStatus
from portal.sync.queueing import queue_task

COLLECTABLE = frozenset({InvoiceStatus.OPEN, InvoiceStatus.PARTLY_PAID})
KIND = "collect_invoice"


async def request_collection(invoice_id: int, *, actor: Actor) -> None:
    """Ask the provider to try once more, now. It tries once for each time it is asked.

    Raises:
        Conflict: nothing is owed, the provider does not collect it, or it is being tried.
        NotFound: there is no such invoice.
    """
    async with transaction() as tx:
        held, row = tx.connection, await lock_owed(tx.connection, invoice_id)
        if row.invoice.status not in COLLECTABLE:
            raise Conflict(f"An invoice that is {shown(row.invoice.status)} is not collected.")
        if row.account_id is None or row.external_id is None or not await _is_collected(held, invoice_id):
            raise Conflict("The provider does not collect this invoice by itself.")
        await _take_turns(held, row)
        await queue_task(held, account_id=row.account_id, kind=KIND, subject_id=invoice_id)
        words = f"Asked to charge {row.due.format()} to the customer's saved method now."
        await note_on(held, row, actor, what=("invoice.collection_asked", words), details={})


async def _is_collected(held: Connection, invoice_id: int) -> bool:
    """Made at the provider, which tried to collect it already: others are paid by those who open them."""
    found: bool | None = await held.fetchval(
        "SELECT origin = 'provider' AND attempts > 0 FROM invoice WHERE id = $1", invoice_id
    )
    return bool(found)


async def _take_turns(held: Connection, row: Owed) -> None:
    """One attempt at a time. One that was refused for good makes place for a new one.

    Raises:
        Conflict: an attempt is under way, or nobody knows yet how it ended.
    """
    state = await held.fetchval(
        "SELECT state FROM sync_task WHERE kind = $1 AND subject_id = $2 FOR UPDATE", KIND, row.invoice.id
    )
    if state in ("waiting", "sending", "unknown"):
        raise Conflict("It is being tried already.", hint="The result appears here by itself.")
    if state == "failed":
        await held.execute(
            "UPDATE sync_task SET state = 'done' WHERE kind = $1 AND subject_id = $2", KIND, row.invoice.id
        )
