"""Invoices that were made at a provider: they are real debts, so they are invoices here too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from portal.audit.sources import Source
from portal.contract.facts import CollectionSeen, InvoiceClosed, InvoiceSeen, PaymentSucceeded
from portal.customers.links import ProviderCustomer, customers_of
from portal.database.transaction import Connection
from portal.invoices.rules import InvoiceStatus, Standing, StoredLine, imported_lines, next_status

ORIGIN = "provider"


@dataclass(frozen=True, slots=True)
class Import:
    """What became of an invoice that a provider told of."""

    invoice_id: int
    words: str = ""
    new: bool = False


@dataclass(frozen=True, slots=True)
class NewInvoice:
    """An invoice that is not known here, with what else is known of it from the start."""

    seen: InvoiceSeen
    payments: tuple[PaymentSucceeded, ...] = ()
    collection: CollectionSeen | None = None
    closed: InvoiceClosed | None = None

    @property
    def standing(self) -> Standing:
        """What its status follows from."""
        credited = sum(p.amount.amount_minor for p in self.payments if p.from_credit)
        return Standing(
            self.seen.total.amount_minor,
            sum(payment.amount.amount_minor for payment in self.payments) - credited,
            0,
            processing=False,
            closed=InvoiceStatus(self.closed.status) if self.closed else None,
            credited_minor=credited,
        )


async def apply_invoice_seen(held: Connection, source: Source, fact: InvoiceSeen) -> Import:
    """Find the invoice or make it, inside the caller's transaction."""
    row = await held.fetchrow(_KNOWN, source.account_id, fact.external_id)
    if row is not None:
        return Import(row["id"], await _refresh(held, source, row, fact))
    made = await make_invoices(held, source, [NewInvoice(fact)])
    if fact.external_id in made:
        words = f"{fact.number} for {fact.total.format()} was made in {source.actor.name}."
        return Import(made[fact.external_id], words, new=True)
    return await apply_invoice_seen(held, source, fact)  # somebody else was quicker: it is there now


async def make_invoices(held: Connection, source: Source, wanted: Sequence[NewInvoice]) -> dict[str, int]:
    """Make invoices in bulk, without their money; ids by the provider's ids, of those not known meanwhile."""
    ordered = sorted(wanted, key=lambda new: new.seen.created_at)  # lists show the highest id first
    customers = await customers_of(held, source, [_customer(new.seen) for new in ordered])
    columns = zip(*(_row(new, customers) for new in ordered), strict=True)
    added = await held.fetch(
        _ADD,
        source.account_id,
        source.mode.value,
        ORIGIN,
        datetime.now(UTC),
        *(list(column) for column in columns),
    )
    made = {row["external_id"]: row["id"] for row in added}
    fresh = [new.seen for new in ordered if new.seen.external_id in made]
    await _add_lines(held, [(made[seen.external_id], lines_of(seen)) for seen in fresh])
    for seen in fresh:
        words = f"Made in {source.actor.name} as {seen.number}, for {seen.total.format()}."
        about = ("invoice", made[seen.external_id])
        source.note(("invoice.imported", words), about, {"external_id": seen.external_id})
    return made


def lines_of(fact: InvoiceSeen) -> list[StoredLine]:
    """The lines as they are stored."""
    subtotal = fact.total - fact.tax
    return imported_lines(
        ((line.description, line.quantity, line.amount.amount_minor) for line in fact.lines),
        subtotal.amount_minor,
    )


def closed_by(fact: InvoiceSeen) -> InvoiceClosed | None:
    """What the provider's status says about closing the invoice."""
    if fact.status not in ("void", "uncollectible"):
        return None
    return InvoiceClosed(0, fact.status, fact.finalised_at)


def _customer(fact: InvoiceSeen) -> ProviderCustomer:
    return ProviderCustomer(fact.customer_external_id, fact.customer_name, fact.customer_email)


def _row(new: NewInvoice, customers: Mapping[str, int]) -> tuple[Any, ...]:
    seen, standing, status = new.seen, new.standing, next_status(new.standing)
    paid_at = max((payment.occurred_at for payment in new.payments), default=seen.finalised_at)
    return (
        seen.external_id,
        seen.number or seen.external_id,
        customers[seen.customer_external_id],
        seen.subscription_external_id,
        seen.total.currency,
        status.value,
        seen.total.amount_minor - seen.tax.amount_minor,
        seen.tax.amount_minor,
        seen.total.amount_minor,
        standing.received_minor + standing.credited_minor,
        seen.due_at,
        seen.memo,
        seen.hosted_url,
        seen.created_at,
        seen.finalised_at,
        paid_at if status is InvoiceStatus.PAID else None,
        new.closed.occurred_at if new.closed and status is InvoiceStatus.VOID else None,
        new.collection.attempts if new.collection else 0,
        new.collection.next_attempt_at if new.collection else None,
        new.collection.failure if new.collection else "",
    )


async def _add_lines(held: Connection, lines: Sequence[tuple[int, list[StoredLine]]]) -> None:
    rows = [
        (invoice_id, place, line.description, line.quantity, line.unit_minor, line.amount_minor)
        for invoice_id, stored in lines
        for place, line in enumerate(stored, start=1)
    ]
    if rows:
        await held.execute(_ADD_LINES, *(list(column) for column in zip(*rows, strict=True)))


async def _refresh(held: Connection, source: Source, row: Any, fact: InvoiceSeen) -> str:
    """Follow what the provider changed; amounts only while the invoice is open there."""
    if row["origin"] != ORIGIN:
        return ""
    if fact.hosted_url and row["hosted_url"] != fact.hosted_url:
        await held.execute("UPDATE invoice SET hosted_url = $2 WHERE id = $1", row["id"], fact.hosted_url)
    changed = [
        words for words in (await _reprice(held, source, row, fact), await _redate(held, row, fact)) if words
    ]
    return " ".join(changed)


async def _reprice(held: Connection, source: Source, row: Any, fact: InvoiceSeen) -> str:
    now = (fact.total.currency, fact.total.amount_minor, fact.tax.amount_minor)
    if fact.status != "open" or now == (row["currency"], row["total_minor"], row["tax_minor"]):
        return ""
    updated = await held.fetchval(
        """
        UPDATE invoice SET subtotal_minor = $3::bigint - $4::bigint, tax_minor = $4, total_minor = $3,
               version = version + 1
        WHERE id = $1 AND currency = $2 RETURNING id
        """,
        row["id"],
        *now,
    )
    if updated is None:
        return ""  # an invoice does not change its currency; what is paid in another is quarantined
    await held.execute("DELETE FROM invoice_line WHERE invoice = $1", row["id"])
    await _add_lines(held, [(row["id"], lines_of(fact))])
    words = f"The total is now {fact.total.format()}."
    source.note(("invoice.edited", words), ("invoice", row["id"]), {"before": row["total_minor"]})
    return words


async def _redate(held: Connection, row: Any, fact: InvoiceSeen) -> str:
    changed = await held.fetchval(_REDATE, row["id"], fact.due_at, fact.memo, fact.subscription_external_id)
    return "What it says or when it is due changed." if changed else ""


_DAY = "({} AT TIME ZONE coalesce((SELECT time_zone FROM organisation LIMIT 1), 'UTC'))::date"
"""A moment as a day where the organisation is."""
_KNOWN = """
SELECT id, origin, currency, total_minor, tax_minor, hosted_url FROM invoice
WHERE account = $1 AND external_id = $2 FOR UPDATE
"""
_ADD = f"""
INSERT INTO invoice (account, mode, origin, sync_state, synced_at, external_id, number, external_number,
                     customer, subscription_external_id, currency, status, subtotal_minor, tax_minor,
                     total_minor, amount_paid_minor, due_date, memo, hosted_url, created_at, finalised_at,
                     paid_at, voided_at, attempts, next_attempt_at, collection_failure)
SELECT $1, $2, $3, 'in_step', $4, external_id, number, number, customer, subscription, currency, status,
       subtotal, tax, total, paid, {_DAY.format("due_at")}, memo, hosted_url, created_at, finalised_at,
       paid_at, voided_at, attempts, next_attempt_at, failure
FROM unnest($5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::bigint[],
            $12::bigint[], $13::bigint[], $14::bigint[], $15::timestamptz[], $16::text[], $17::text[],
            $18::timestamptz[], $19::timestamptz[], $20::timestamptz[], $21::timestamptz[], $22::bigint[],
            $23::timestamptz[], $24::text[])
     WITH ORDINALITY AS n(external_id, number, customer, subscription, currency, status, subtotal, tax, total,
                          paid, due_at, memo, hosted_url, created_at, finalised_at, paid_at, voided_at,
                          attempts, next_attempt_at, failure, place)
ORDER BY place
ON CONFLICT (account, external_id) WHERE external_id IS NOT NULL DO NOTHING
RETURNING id, external_id
"""  # noqa: S608 - a fragment of ours
_ADD_LINES = """
INSERT INTO invoice_line (invoice, position, description, quantity, unit_minor, amount_minor, tax_rate)
SELECT n.*, 0
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[]) AS n
"""
_REDATE = f"""
UPDATE invoice SET due_date = {_DAY.format("$2::timestamptz")}, memo = $3,
       subscription_external_id = coalesce($4, subscription_external_id), version = version + 1
WHERE id = $1 AND (due_date, memo, subscription_external_id) IS DISTINCT FROM
      ({_DAY.format("$2::timestamptz")}, $3, coalesce($4, subscription_external_id))
RETURNING true
"""  # noqa: S608 - a fragment of ours
