"""An invoice's row as people act on it: locked, with what is owed; the provider told, the log written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.audit.services import Actor, record
from portal.contract.facts import Mode
from portal.database.transaction import Connection
from portal.errors import InvalidInput, NotFound
from portal.invoices.rows import LockedInvoice
from portal.invoices.rules import InvoiceStatus, amount_due
from portal.money import Money
from portal.sync.queueing import queue_task
from portal.web.live import announce


@dataclass(frozen=True, slots=True)
class Owed:
    """As it stood when its lock was taken; `due` is what is left to pay."""

    invoice: LockedInvoice
    mode: Mode
    account_id: int | None
    external_id: str | None
    due: Money


async def lock_owed(held: Connection, invoice_id: int) -> Owed:
    """Lock the row until the transaction ends.

    Raises:
        NotFound: there is no such invoice.
    """
    row = await held.fetchrow(
        """
        SELECT id, coalesce(number, '') AS number, status, currency, total_minor, mode, account, external_id,
               amount_paid_minor, amount_returned_minor
        FROM invoice WHERE id = $1 FOR UPDATE
        """,
        invoice_id,
    )
    if row is None:
        raise NotFound("There is no such invoice.")
    invoice = LockedInvoice(
        row["id"], row["number"], InvoiceStatus(row["status"]), row["currency"], row["total_minor"]
    )
    due = amount_due(row["total_minor"], row["amount_paid_minor"], row["amount_returned_minor"])
    return Owed(invoice, Mode(row["mode"]), row["account"], row["external_id"], Money(due, row["currency"]))


def check_amount(amount: Money, most: Money, too_much: str) -> None:
    """Refuse another currency, nothing, and more than `most`.

    Raises:
        InvalidInput: with the words for the field `amount`.
    """
    if amount.currency != most.currency:
        raise InvalidInput({"amount": f"The invoice is in {most.currency.upper()}."})
    if amount.amount_minor <= 0:
        raise InvalidInput({"amount": "Enter an amount above zero."})
    if amount.amount_minor > most.amount_minor:
        raise InvalidInput({"amount": too_much})


async def tell(held: Connection, row: Owed, kind: str) -> None:
    """Queue it for the provider when that has a copy of the invoice."""
    if row.account_id is None or row.external_id is None:
        return
    await held.execute("UPDATE invoice SET sync_state = 'waiting' WHERE id = $1", row.invoice.id)
    await queue_task(held, account_id=row.account_id, kind=kind, subject_id=row.invoice.id)


async def note_on(
    held: Connection, row: Owed, actor: Actor, *, what: tuple[str, str], details: Mapping[str, Any]
) -> None:
    """Write what somebody did into the log (`what`: action and sentence), and tell open pages."""
    await record(
        held,
        actor=actor,
        action=what[0],
        words=what[1],
        subject=("invoice", row.invoice.id),
        mode=row.mode.value,
        details=details,
    )
    await announce(held, f"invoice:{row.invoice.id}")


def shown(status: InvoiceStatus) -> str:
    """A status within a sentence: `partly paid`."""
    return status.value.replace("_", " ")
