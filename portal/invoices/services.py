"""What a person does to an invoice once it was written. Each verb is one transaction."""

from __future__ import annotations

from portal.audit.services import Actor
from portal.contract.secrets import Secret
from portal.database.transaction import Connection, transaction
from portal.errors import Conflict
from portal.finance.services import take_invoice_number
from portal.invoices.drafts import DraftInvoice, create_draft, duplicate_invoice, update_draft
from portal.invoices.held import HeldInvoice, hold_invoice, must_be_draft, note
from portal.invoices.rules import PAYABLE, InvoiceStatus
from portal.invoices.sums import DraftLine
from portal.money import Money
from portal.security.sealing import open_sealed, seal
from portal.security.tokens import Purpose, hash_token, new_token
from portal.settings import current_settings
from portal.sync.queueing import TOLD_ON_INVOICE, queue_task, revive_tasks


async def finalise(invoice_id: int, *, actor: Actor) -> str:
    """Give the invoice its number and its pay link, and queue its copy at the provider; returns the number.

    Raises:
        Conflict: it is no draft any more (a second press), or it has nothing to charge.
    """
    async with transaction() as tx:
        row = await hold_invoice(tx.connection, invoice_id)
        must_be_draft(row.status)
        if row.total_minor < 0 or not await _has_lines(tx.connection, invoice_id):
            raise Conflict("This invoice has nothing to charge.", hint="Add a line with an amount.")
        number = await take_invoice_number(tx.connection)
        await _open(tx.connection, row, number)
        await note(
            tx.connection,
            (invoice_id, row.mode),
            actor=actor,
            what=("invoice.finalised", f"Finalised as {number}."),
        )
        if row.account_id is not None and row.total_minor > 0:
            await queue_task(
                tx.connection, account_id=row.account_id, kind="publish_invoice", subject_id=invoice_id
            )
    return number


async def void(invoice_id: int, *, actor: Actor) -> None:
    """Declare the invoice void, here and at the provider.

    Raises:
        Conflict: money arrived, or a payment is under way.
    """
    async with transaction() as tx:
        row = await hold_invoice(tx.connection, invoice_id)
        if row.status not in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE):
            raise Conflict(f"An invoice that is {row.status.replace('_', ' ')} cannot be voided.")
        await tx.connection.execute(
            """
            UPDATE invoice SET status = 'void', voided_at = now(), version = version + 1,
                   sync_state = CASE WHEN external_id IS NULL THEN 'none' ELSE 'waiting' END
            WHERE id = $1
            """,
            invoice_id,
        )
        await note(
            tx.connection, (invoice_id, row.mode), actor=actor, what=("invoice.voided", "Declared void.")
        )
        if row.account_id is not None and row.external_id is not None:
            await queue_task(
                tx.connection, account_id=row.account_id, kind="void_invoice", subject_id=invoice_id
            )


async def retry_sync(invoice_id: int, *, actor: Actor) -> None:
    """Try again what failed for good at the provider.

    Raises:
        Conflict: nothing failed.
    """
    async with transaction() as tx:
        row = await hold_invoice(tx.connection, invoice_id)
        revived = await revive_tasks(tx.connection, invoice_id, TOLD_ON_INVOICE)
        if not revived:
            raise Conflict("There is nothing to try again.")
        await tx.connection.execute(
            "UPDATE invoice SET sync_state = 'waiting', sync_error = '' WHERE id = $1", invoice_id
        )
        await note(
            tx.connection,
            (invoice_id, row.mode),
            actor=actor,
            what=("invoice.sync_retried", "Asked to try again."),
        )


async def pay_link(invoice_id: int) -> str | None:
    """The address at which the customer pays, or None while there is none (draft, closed, expired)."""
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            SELECT id, mode, status, sealed_pay_token FROM invoice
            WHERE id = $1 AND sealed_pay_token <> '' AND pay_link_expires_at > now()
            """,
            invoice_id,
        )
    if row is None or row["status"] in (InvoiceStatus.VOID, InvoiceStatus.DRAFT):
        return None
    token = open_sealed(row["sealed_pay_token"], context=_token_place(invoice_id, row["mode"]))
    return f"{current_settings().base_url}/pay/{token.reveal()}"


async def _open(connection: Connection, row: HeldInvoice, number: str) -> None:
    token = new_token()
    status = InvoiceStatus.OPEN if row.total_minor > 0 else InvoiceStatus.PAID
    await connection.execute(
        """
        UPDATE invoice SET number = $2, status = $3, finalised_at = now(), pay_token_hash = $4,
               sealed_pay_token = $5, version = version + 1, sync_state = $6,
               pay_link_expires_at =
                   now() + (SELECT make_interval(days => pay_link_days::int) FROM organisation),
               paid_at = CASE WHEN $3 = 'paid' THEN now() END
        WHERE id = $1
        """,
        row.id,
        number,
        status.value,
        hash_token(token, Purpose.PAY_LINK),
        seal(Secret(token), context=_token_place(row.id, row.mode)),
        "waiting" if row.account_id is not None and status is InvoiceStatus.OPEN else "none",
    )


async def _has_lines(connection: Connection, invoice_id: int) -> bool:
    return bool(
        await connection.fetchval("SELECT EXISTS (SELECT FROM invoice_line WHERE invoice = $1)", invoice_id)
    )


def _token_place(invoice_id: int, mode: str) -> tuple[str, ...]:
    return ("invoice", str(invoice_id), str(mode), "pay_link")


__all__ = [
    "PAYABLE",
    "DraftInvoice",
    "DraftLine",
    "Money",
    "create_draft",
    "duplicate_invoice",
    "finalise",
    "pay_link",
    "retry_sync",
    "update_draft",
    "void",
]
