"""Drafts: what people write before an invoice has a number. Each verb is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from asyncpg import Record

from portal.accounts.services import default_account, load_summary
from portal.audit.services import Actor
from portal.contract.facts import Mode
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, InvalidInput, NotFound
from portal.invoices.held import hold_invoice, must_be_draft, note
from portal.invoices.sums import Discount, DraftLine, Totals, totals
from portal.money import Money


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
    discount: Discount | None = None


async def create_draft(draft: DraftInvoice, *, actor: Actor, words: str = "Draft created.") -> int:
    """Store a new draft; returns its id. `words`: what the log says of it."""
    account_id, mode = await _collector(draft.account_id)
    async with transaction() as tx:
        sums = totals(draft.lines, draft.currency, draft.discount)
        invoice_id: int = await tx.connection.fetchval(
            """
            INSERT INTO invoice (customer, account, mode, currency, subtotal_minor, discount_minor, tax_minor,
                                 total_minor, discount_percent, due_date, memo, footer, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now()) RETURNING id
            """,
            draft.customer_id,
            account_id,
            mode.value,
            draft.currency,
            *_minor(sums),
            _percent(draft),
            draft.due_date,
            draft.memo,
            draft.footer,
        )
        await _store_lines(tx.connection, invoice_id, draft.lines)
        await note(tx.connection, (invoice_id, mode), actor=actor, what=("invoice.created", words))
    return invoice_id


async def duplicate_invoice(invoice_id: int, *, today: date, actor: Actor) -> int:
    """A new draft with the lines, discount, texts and terms of an invoice in any state; returns its id.

    It is due as many days from `today` as the other was from its own day.

    Raises:
        NotFound: there is no such invoice.
        Conflict: it was made at the provider, which knows more of it than its lines say; or the customer's
            data were erased.
    """
    async with connection() as held, held.transaction(isolation="repeatable_read", readonly=True):
        row = await held.fetchrow(_COPIED, invoice_id)
        lines = await held.fetch(_COPIED_LINES, invoice_id)
    if row is None:
        raise NotFound("There is no such invoice.")
    if row["origin"] != "portal":
        raise Conflict("This invoice was made at the provider.", hint="Copy it there.")
    if row["erased"]:
        raise Conflict("This customer's data were erased.", hint="Write a new invoice for another customer.")
    copy = _copy_of(row, lines, today)
    return await create_draft(copy, actor=actor, words=f"Draft created as a copy of {row['name']}.")


async def update_draft(invoice_id: int, draft: DraftInvoice, *, version: int, actor: Actor) -> None:
    """Replace what a draft says.

    Raises:
        Conflict: it is no draft any more, or somebody saved it since `version` was read.
    """
    async with transaction() as tx:
        row = await hold_invoice(tx.connection, invoice_id)
        must_be_draft(row.status)
        if row.version != version:
            raise Conflict(
                "Somebody else changed this invoice.", hint="Load it again and repeat your change."
            )
        before = await _said(tx.connection, invoice_id)
        await _overwrite(tx.connection, invoice_id, draft)
        after = await _said(tx.connection, invoice_id)
        await note(
            tx.connection,
            (invoice_id, row.mode),
            actor=actor,
            what=("invoice.edited", "Draft edited."),
            details={
                name: {"before": old, "after": after[name]}
                for name, old in before.items()
                if old != after[name]
            },
        )


async def _overwrite(connection: Connection, invoice_id: int, draft: DraftInvoice) -> None:
    sums = totals(draft.lines, draft.currency, draft.discount)
    await connection.execute(
        """
        UPDATE invoice SET customer = $2, currency = $3, subtotal_minor = $4, discount_minor = $5,
               tax_minor = $6, total_minor = $7, discount_percent = $8, due_date = $9, memo = $10,
               footer = $11, version = version + 1
        WHERE id = $1
        """,
        invoice_id,
        draft.customer_id,
        draft.currency,
        *_minor(sums),
        _percent(draft),
        draft.due_date,
        draft.memo,
        draft.footer,
    )
    await connection.execute("DELETE FROM invoice_line WHERE invoice = $1", invoice_id)
    await _store_lines(connection, invoice_id, draft.lines)


async def _said(held: Connection, invoice_id: int) -> dict[str, str]:
    """What the draft says now, in words for the log. Names of people are not among them."""
    row = await held.fetchrow(_SAID, invoice_id)
    said = {name: str(value) for name, value in dict(row or {}).items() if not name.endswith("_minor")}
    amounts = {name: value for name, value in dict(row or {}).items() if name.endswith("_minor")}
    return said | {
        name.removesuffix("_minor"): Money(value, said["currency"]).format()
        for name, value in amounts.items()
    }


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
            (invoice, position, description, quantity, unit_minor, tax_rate, tax_name, amount_minor)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        [
            (
                invoice_id,
                position,
                line.description,
                line.quantity,
                line.unit.amount_minor,
                line.tax_rate,
                line.tax_name,
                line.amount.amount_minor,
            )
            for position, line in enumerate(lines, start=1)
        ],
    )


def _copy_of(row: Record, lines: Sequence[Record], today: date) -> DraftInvoice:
    currency = row["currency"]
    discount = None
    if row["discount_percent"] is not None:
        discount = Discount(percent=row["discount_percent"])
    elif row["discount_minor"]:
        discount = Discount(amount=Money(row["discount_minor"], currency))
    return DraftInvoice(
        customer_id=row["customer"],
        currency=currency,
        due_date=None if row["terms"] is None else today + timedelta(days=max(row["terms"], 0)),
        memo=row["memo"],
        footer=row["footer"],
        lines=tuple(
            DraftLine(
                line["description"],
                line["quantity"],
                Money(line["unit_minor"], currency),
                line["tax_rate"],
                line["tax_name"],
            )
            for line in lines
        ),
        discount=discount,
    )


def _minor(sums: Totals) -> tuple[int, ...]:
    """Subtotal, discount, tax and total."""
    return tuple(amount.amount_minor for amount in (sums.subtotal, sums.discount, sums.tax, sums.total))


def _percent(draft: DraftInvoice) -> Decimal | None:
    return draft.discount.percent if draft.discount else None


_COPIED = """
SELECT coalesce(c.merged_into, c.id) AS customer, c.erased_at IS NOT NULL AS erased, i.origin, i.currency,
       i.discount_percent, i.discount_minor, i.memo, i.footer, coalesce(i.number, 'draft ' || i.id) AS name,
       i.due_date - (coalesce(i.finalised_at, i.created_at) AT TIME ZONE coalesce(o.time_zone, 'UTC'))::date
           AS terms
FROM invoice i JOIN customer c ON c.id = i.customer LEFT JOIN organisation o ON true WHERE i.id = $1
"""
_SAID = """
SELECT customer, currency, coalesce(due_date::text, '') AS due_date, memo, footer, discount_minor, tax_minor,
       total_minor
FROM invoice WHERE id = $1
"""
_COPIED_LINES = """
SELECT description, quantity, unit_minor, tax_rate, tax_name FROM invoice_line WHERE invoice = $1
ORDER BY position
"""
