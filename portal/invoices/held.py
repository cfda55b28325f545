"""An invoice's row, held by a person's action until it ends, and the entry that the action leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portal.audit.services import Actor, record
from portal.contract.facts import Mode
from portal.database.transaction import Connection
from portal.errors import Conflict, NotFound
from portal.invoices.rules import InvoiceStatus
from portal.web.live import announce


@dataclass(frozen=True, slots=True)
class HeldInvoice:
    """As it stood when its lock was taken."""

    id: int
    status: InvoiceStatus
    mode: Mode
    version: int
    total_minor: int
    account_id: int | None
    external_id: str | None


async def hold_invoice(connection: Connection, invoice_id: int) -> HeldInvoice:
    """Lock the row until the transaction ends, so that two presses take turns.

    Raises:
        NotFound: there is none.
    """
    row = await connection.fetchrow(
        """
        SELECT id, status, mode, version, total_minor, account AS account_id, external_id
        FROM invoice WHERE id = $1 FOR UPDATE
        """,
        invoice_id,
    )
    if row is None:
        raise NotFound("There is no such invoice.")
    return HeldInvoice(**{**dict(row), "status": InvoiceStatus(row["status"]), "mode": Mode(row["mode"])})


async def note(
    connection: Connection,
    about: tuple[int, Mode],
    *,
    actor: Actor,
    what: tuple[str, str],
    details: Mapping[str, object] | None = None,
) -> None:
    """Write `what` (action and words) about the invoice into the log, and tell open pages. Take it last."""
    action, words = what
    invoice_id, mode = about
    await record(
        connection,
        actor=actor,
        action=action,
        words=words,
        subject=("invoice", str(invoice_id)),
        mode=mode.value,
        details=details,
    )
    await announce(connection, f"invoice:{invoice_id}")


def must_be_draft(status: InvoiceStatus) -> None:
    """Let drafts alone pass.

    Raises:
        Conflict: it was finalised.
    """
    if status is not InvoiceStatus.DRAFT:
        raise Conflict("This invoice was finalised already.", hint="It can no longer be edited.")
