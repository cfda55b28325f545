"""Everything that a person does to an invoice. Each verb is one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from portal.accounts.services import default_account, load_summary
from portal.audit.services import Actor, record
from portal.contract.facts import Mode
from portal.contract.secrets import Secret
from portal.database.transaction import Connection, transaction
from portal.errors import Conflict, InvalidInput, NotFound
from portal.finance.services import take_invoice_number
from portal.invoices.rules import PAYABLE, DraftLine, InvoiceStatus, Totals, totals
from portal.money import Money
from portal.security.sealing import open_sealed, seal
from portal.security.tokens import Purpose, hash_token, new_token
from portal.settings import current_settings
from portal.sync.services import queue_task
from portal.web.live import announce

PAY_LINK_DAYS = 90
"""How long a pay link works after the invoice was finalised."""


@dataclass(frozen=True, slots=True)
class DraftInvoice:
    """What the form holds. `account_id` None: the default connection when there is one."""

    customer_id: int
    currency: str
    due_date: date | None
    memo: str
    footer: str
    lines: tuple[DraftLine, ...]
    account_id: int | None = None


async def create_draft(draft: DraftInvoice, *, actor: Actor) -> int:
    """Store a new draft; returns its id."""
    account_id, mode = await _collector(draft.account_id)
    async with transaction() as tx:
        sums = totals(draft.lines, draft.currency)
        invoice_id: int = await tx.connection.fetchval(
            """
            INSERT INTO invoice (customer, account, mode, currency, subtotal_minor, tax_minor, total_minor,
                                 due_date, memo, footer, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now()) RETURNING id
            """,
            draft.customer_id,
            account_id,
            mode.value,
            draft.currency,
            *_minor(sums),
            draft.due_date,
            draft.memo,
            draft.footer,
        )
        await _store_lines(tx.connection, invoice_id, draft.lines)
        await _note(tx.connection, invoice_id, mode, actor=actor, what=("invoice.created", "Draft created."))
    return invoice_id


async def update_draft(invoice_id: int, draft: DraftInvoice, *, version: int, actor: Actor) -> None:
    """Replace what a draft says.

    Raises:
        Conflict: it is no draft any more, or somebody saved it since `version` was read.
    """
    async with transaction() as tx:
        row = await _locked(tx.connection, invoice_id)
        _must_be_draft(row.status)
        if row.version != version:
            raise Conflict(
                "Somebody else changed this invoice.", hint="Load it again and repeat your change."
            )
        sums = totals(draft.lines, draft.currency)
        await tx.connection.execute(
            """
            UPDATE invoice SET customer = $2, currency = $3, subtotal_minor = $4, tax_minor = $5,
                   total_minor = $6, due_date = $7, memo = $8, footer = $9, version = version + 1
            WHERE id = $1
            """,
            invoice_id,
            draft.customer_id,
            draft.currency,
            *_minor(sums),
            draft.due_date,
            draft.memo,
            draft.footer,
        )
        await tx.connection.execute("DELETE FROM invoice_line WHERE invoice = $1", invoice_id)
        await _store_lines(tx.connection, invoice_id, draft.lines)
        await _note(
            tx.connection, invoice_id, row.mode, actor=actor, what=("invoice.edited", "Draft edited.")
        )


async def finalise(invoice_id: int, *, actor: Actor) -> str:
    """Give the invoice its number and its pay link, and queue its copy at the provider; returns the number.

    Raises:
        Conflict: it is no draft any more (a second press), or it has nothing to charge.
    """
    async with transaction() as tx:
        row = await _locked(tx.connection, invoice_id)
        _must_be_draft(row.status)
        if row.total_minor < 0 or not await _has_lines(tx.connection, invoice_id):
            raise Conflict("This invoice has nothing to charge.", hint="Add a line with an amount.")
        number = await take_invoice_number(tx.connection)
        await _open(tx.connection, row, number)
        await _note(
            tx.connection,
            invoice_id,
            row.mode,
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
        row = await _locked(tx.connection, invoice_id)
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
        await _note(
            tx.connection, invoice_id, row.mode, actor=actor, what=("invoice.voided", "Declared void.")
        )
        if row.account_id is not None and row.external_id is not None:
            await queue_task(
                tx.connection, account_id=row.account_id, kind="void_invoice", subject_id=invoice_id
            )


async def retry_sync(invoice_id: int, *, actor: Actor) -> None:
    """Try again what failed for good at the provider.

    The provider may have kept the refusal under the old keys, so new ones are taken. What an earlier attempt
    may have made is looked for first: the count of attempts is never taken back to the first one.
    """
    async with transaction() as tx:
        row = await _locked(tx.connection, invoice_id)
        revived = await tx.connection.fetch(
            """
            UPDATE sync_task SET state = 'waiting', due_at = now(), attempts = 1, finished_at = NULL,
                   key_generation = key_generation + CASE state WHEN 'failed' THEN 1 ELSE 0 END
            WHERE subject_id = $1 AND kind IN ('publish_invoice', 'void_invoice')
                  AND state IN ('failed', 'unknown')
            RETURNING id
            """,
            invoice_id,
        )
        if not revived:
            raise Conflict("There is nothing to try again.")
        await tx.connection.execute(
            "UPDATE invoice SET sync_state = 'waiting', sync_error = '' WHERE id = $1", invoice_id
        )
        await _note(
            tx.connection,
            invoice_id,
            row.mode,
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


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    status: InvoiceStatus
    mode: Mode
    version: int
    total_minor: int
    account_id: int | None
    external_id: str | None


async def _locked(connection: Connection, invoice_id: int) -> _Row:
    row = await connection.fetchrow(
        """
        SELECT id, status, mode, version, total_minor, account AS account_id, external_id
        FROM invoice WHERE id = $1 FOR UPDATE
        """,
        invoice_id,
    )
    if row is None:
        raise NotFound("There is no such invoice.")
    return _Row(**{**dict(row), "status": InvoiceStatus(row["status"]), "mode": Mode(row["mode"])})


async def _open(connection: Connection, row: _Row, number: str) -> None:
    token = new_token()
    status = InvoiceStatus.OPEN if row.total_minor > 0 else InvoiceStatus.PAID
    await connection.execute(
        """
        UPDATE invoice SET number = $2, status = $3, finalised_at = now(), pay_token_hash = $4,
               sealed_pay_token = $5, pay_link_expires_at = $6, version = version + 1, sync_state = $7,
               paid_at = CASE WHEN $3 = 'paid' THEN now() END
        WHERE id = $1
        """,
        row.id,
        number,
        status.value,
        hash_token(token, Purpose.PAY_LINK),
        seal(Secret(token), context=_token_place(row.id, row.mode)),
        datetime.now(UTC) + timedelta(days=PAY_LINK_DAYS),
        "waiting" if row.account_id is not None and status is InvoiceStatus.OPEN else "none",
    )


async def _collector(account_id: int | None) -> tuple[int | None, Mode]:
    """Who collects a new invoice. Without any connection it is the portal's own: live, paid offline."""
    if account_id is not None:
        return account_id, (await load_summary(account_id)).mode
    account = await default_account()
    return (account.id, account.mode) if account else (None, Mode.LIVE)


async def _store_lines(connection: Connection, invoice_id: int, lines: tuple[DraftLine, ...]) -> None:
    if not lines:
        raise InvalidInput({"lines": "Add at least one line."})
    await connection.executemany(
        """
        INSERT INTO invoice_line
            (invoice, position, description, quantity, unit_minor, tax_rate, amount_minor)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        [
            (
                invoice_id,
                position,
                line.description,
                line.quantity,
                line.unit.amount_minor,
                line.tax_rate,
                line.amount.amount_minor,
            )
            for position, line in enumerate(lines, start=1)
        ],
    )


async def _has_lines(connection: Connection, invoice_id: int) -> bool:
    return bool(
        await connection.fetchval("SELECT EXISTS (SELECT FROM invoice_line WHERE invoice = $1)", invoice_id)
    )


async def _note(
    connection: Connection, invoice_id: int, mode: Mode, *, actor: Actor, what: tuple[str, str]
) -> None:
    action, words = what
    await record(
        connection,
        actor=actor,
        action=action,
        words=words,
        subject=("invoice", str(invoice_id)),
        mode=mode.value,
    )
    await announce(connection, f"invoice:{invoice_id}")


def _must_be_draft(status: InvoiceStatus) -> None:
    if status is not InvoiceStatus.DRAFT:
        raise Conflict("This invoice was finalised already.", hint="It can no longer be edited.")


def _minor(sums: Totals) -> tuple[int, int, int]:
    return sums.subtotal.amount_minor, sums.tax.amount_minor, sums.total.amount_minor


def _token_place(invoice_id: int, mode: str) -> tuple[str, ...]:
    return ("invoice", str(invoice_id), str(mode), "pay_link")


__all__ = [
    "PAYABLE",
    "DraftInvoice",
    "DraftLine",
    "Money",
    "create_draft",
    "finalise",
    "pay_link",
    "retry_sync",
    "update_draft",
    "void",
]
