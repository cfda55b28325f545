"""The rows that news of an object may touch, as people know them, to be compared before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from portal.contract.facts import Fact
from portal.contract.work import Reading, Subject
from portal.database.transaction import Connection

OF_INVOICES = "account = $1 AND invoice = ANY($3::bigint[]) AND $2::text[] IS NOT NULL"
BY_EXTERNAL_ID = "account = $1 AND external_id = ANY($2::text[]) AND $3::bigint[] IS NOT NULL"
TASKS = "account = $1 AND subject_id = ANY($3::bigint[]) AND kind LIKE '%invoice%' AND $2::text[] IS NOT NULL"
THE_INVOICES = "account = $1 AND (external_id = ANY($2::text[]) OR id = ANY($3::bigint[]))"


@dataclass(frozen=True, slots=True)
class Watched:
    """A table that is looked at. `title` and `fields` are SQL; what they leave out is nothing for people."""

    table: str
    title: str
    fields: Mapping[str, str]
    """How people call it -> the column. A column `…_minor` is an amount in the row's `currency`."""
    where: str


WATCHED = (
    Watched(
        "invoice",
        "'Invoice ' || coalesce(number, external_id, id::text)",
        {
            "status": "status",
            "total": "total_minor",
            "tax": "tax_minor",
            "paid": "amount_paid_minor",
            "due": "due_date",
            "attempts to collect": "attempts",
            "next attempt": "next_attempt_at",
            "trouble": "collection_failure",
            "the provider's number": "external_number",
            "sync": "sync_state",
        },
        THE_INVOICES,
    ),
    Watched(
        "payment",
        "CASE kind WHEN 'offline' THEN 'Payment outside' ELSE initcap(kind) || ' ' || external_id END",
        {"amount": "amount_minor", "method": "method", "at": "occurred_at"},
        OF_INVOICES,
    ),
    Watched(
        "payment_attempt",
        "'Attempt ' || external_id",
        {"state": "state", "amount": "amount_minor", "method": "method", "reason": "reason"},
        OF_INVOICES,
    ),
    Watched(
        "refund",
        "'Refund ' || coalesce(external_id, id::text)",
        {"status": "status", "amount": "amount_minor", "reason": "reason", "failure": "failure"},
        OF_INVOICES,
    ),
    Watched(
        "dispute",
        "'Dispute ' || external_id",
        {
            "status": "status",
            "amount": "amount_minor",
            "reason": "reason",
            "money held back": "withdrawn",
            "respond by": "respond_by",
        },
        OF_INVOICES,
    ),
    Watched(
        "customer_link",
        "'Customer ' || external_id",
        {
            "name": "name",
            "email": "email",
            "deleted": "deleted",
            "ours": "(SELECT name FROM customer WHERE id = watched.customer)",
        },
        BY_EXTERNAL_ID,
    ),
    Watched(
        "subscription",
        "'Subscription ' || external_id",
        {
            "status": "status",
            "plan": "plan_external_id",
            "quantity": "quantity",
            "amount": "amount_minor",
            "period from": "period_start",
            "period to": "period_end",
            "trial until": "trial_end",
            "cancels at": "cancel_at",
            "cancels at the period's end": "cancel_at_period_end",
            "cancelled": "canceled_at",
            "ended": "ended_at",
            "pause": "pause",
            "agreed method": "wish_method_external_id",
        },
        BY_EXTERNAL_ID,
    ),
    Watched(
        "plan",
        "'Plan ' || external_id",
        {"price": "words", "product": "product_external_id", "active": "active", "deleted": "deleted"},
        BY_EXTERNAL_ID,
    ),
    Watched(
        "product",
        "'Product ' || external_id",
        {"name": "name", "active": "active", "deleted": "deleted"},
        BY_EXTERNAL_ID,
    ),
    Watched(
        "payment_method",
        "'Payment method ' || external_id",
        {"method": "words", "customer": "customer_external_id", "trouble": "blocked"},
        BY_EXTERNAL_ID,
    ),
    Watched("provider_alert", "'Alert ' || external_id", {"words": "words"}, BY_EXTERNAL_ID),
    Watched(
        "sync_difference",
        "'Difference in ' || field || ' of ' || external_id",
        {"ours": "ours", "theirs": "theirs", "state": "state"},
        BY_EXTERNAL_ID,
    ),
    Watched(
        "sync_task",
        "'To do at the provider: ' || replace(kind, '_', ' ')",
        {"state": "state"},
        TASKS,
    ),
)
WITH_CURRENCY = frozenset({"invoice", "payment", "payment_attempt", "refund", "dispute", "subscription"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as it stood."""

    title: str
    currency: str | None
    values: Mapping[str, Any]
    """By column."""


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whose rows to look at."""

    account_id: int
    external_ids: tuple[str, ...]
    invoice_ids: tuple[int, ...]


Snapshot = Mapping[tuple[str, int], Seen]
"""By table and id."""


def concerned(account_id: int, subject: Subject, reading: Reading) -> Concerned:
    """Every id that the subject and what was read of it name."""
    ids = {subject.key.partition(":")[2]}
    invoices = {reading.invoice_id} if reading.invoice_id else set()
    for fact in reading.facts:
        for name, value in _ids_of(fact):
            if isinstance(value, str):
                ids.add(value)
            elif name == "invoice_id" and value:
                invoices.add(value)
    return Concerned(account_id, tuple(sorted(ids)), tuple(sorted(invoices)))


async def take(held: Connection, whose: Concerned) -> Snapshot:
    """How the rows stand in the running transaction."""
    found: dict[tuple[str, int], Seen] = {}
    arguments = [whose.account_id, list(whose.external_ids), list(whose.invoice_ids)]
    for watched in WATCHED:
        rows = await held.fetch(_query(watched), *arguments)
        for row in rows:
            found[watched.table, row["id"]] = Seen(row["title"], row["currency"], _values(watched, row))
        if watched.table == "invoice":
            arguments[2] = sorted({*whose.invoice_ids, *(row["id"] for row in rows)})
    return found


def _query(watched: Watched) -> str:
    columns = ", ".join(f'{column} AS "{label}"' for label, column in watched.fields.items())
    currency = "currency" if watched.table in WITH_CURRENCY else "NULL::text"
    return (
        f"SELECT id, {watched.title} AS title, {currency} AS currency, {columns} "  # noqa: S608 - constants
        f"FROM {watched.table} AS watched WHERE {watched.where} ORDER BY id"
    )


def _values(watched: Watched, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        label: (row[label], row["currency"])
        if column.endswith("_minor") and row[label] is not None
        else row[label]
        for label, column in watched.fields.items()
    }


def _ids_of(fact: Fact) -> Sequence[tuple[str, Any]]:
    names = (field.name for field in fields(fact))
    return [(name, getattr(fact, name)) for name in names if name.endswith(("external_id", "_id"))]
