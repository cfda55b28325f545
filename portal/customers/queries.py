"""What the customer pages show. The balance and the invoices are read from rows, never kept beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from portal.contract.facts import Mode
from portal.database.transaction import Connection, connection
from portal.errors import NotFound
from portal.money import Money
from portal.web.keysets import PAGE_SIZE, START, Cursor, Slice, cut, is_first_page_again, prefix_pattern

SHORTEST_SEARCH = 2
INVOICES_SHOWN = 25
OPTIONS_SHOWN = 200


class LinkState(StrEnum):
    """Whether a provider knows the customer."""

    LINKED = "linked"
    NOT_LINKED = "not_linked"


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A line of the list. `balance` has one amount for each currency in which something is owed."""

    id: int
    name: str
    email: str
    link: LinkState
    balance: tuple[Money, ...]


@dataclass(frozen=True, slots=True)
class ProviderLink:
    """The customer as a provider knows it."""

    plugin: str
    account_title: str
    mode: Mode
    external_id: str
    deleted: bool
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerInvoice:
    """An invoice in the list below a customer."""

    id: int
    number: str | None
    status: str
    total: Money
    due_date: date | None
    mode: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerDetail:
    """Everything on a customer's page."""

    id: int
    name: str
    email: str
    created_at: datetime
    updated_at: datetime
    """Also the version that an edit form carries."""
    balance: tuple[Money, ...]
    links: tuple[ProviderLink, ...]
    invoices: tuple[CustomerInvoice, ...]
    more_invoices: bool


async def list_customers(
    search: str, cursor: Cursor, *, mode: Mode, size: int = PAGE_SIZE
) -> Slice[CustomerRow]:
    """Newest first; balances count invoices of `mode` alone.

    The search finds the start of a name or an e-mail address, or a provider's whole id.
    """
    async with connection() as held:
        read = await _read_ids(held, search, cursor, size)
        if is_first_page_again(read, cursor, size):
            cursor = START
            read = await _read_ids(held, search, cursor, size)
        ids = cut(read, cursor, size, id_of=int)
        rows = await held.fetch(_ROWS, list(ids.rows), mode.value)
    found = {row["id"]: _row(row) for row in rows}
    return Slice(tuple(found[id_] for id_ in ids.rows if id_ in found), ids.newer, ids.older)


async def find_customer(customer_id: int, *, today: date, mode: Mode) -> CustomerDetail:
    """One customer with links and newest invoices; the balance counts invoices of `mode` alone.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held:
        rows = await held.fetch(_ROWS, [customer_id], mode.value)
        if not rows:
            raise NotFound("There is no such customer.")
        links = await held.fetch(_LINKS, customer_id)
        invoices = await held.fetch(_INVOICES, customer_id, today, INVOICES_SHOWN + 1)
    row = rows[0]
    return CustomerDetail(
        id=row["id"],
        name=row["name"],
        email=row["email"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        balance=_balance(row),
        links=tuple(ProviderLink(**{**dict(link), "mode": Mode(link["mode"])}) for link in links),
        invoices=tuple(_invoice(invoice) for invoice in invoices[:INVOICES_SHOWN]),
        more_invoices=len(invoices) > INVOICES_SHOWN,
    )


async def customer_options(search: str = "", *, chosen: int | None = None) -> list[tuple[int, str]]:
    """Ids and names for a select, by name: the ones that the search finds, and the chosen one."""
    async with connection() as held:
        rows = await held.fetch(_OPTIONS, prefix_pattern(search), OPTIONS_SHOWN, chosen)
    return [
        (row["id"], f"{row['name']} · {row['email']}" if row["email"] else str(row["name"])) for row in rows
    ]


async def customer_exists(customer_id: int) -> bool:
    """Whether there is such a customer. Customers are never deleted, so the answer stays true."""
    async with connection() as held:
        return bool(await held.fetchval("SELECT EXISTS (SELECT FROM customer WHERE id = $1)", customer_id))


async def _read_ids(held: Connection, search: str, cursor: Cursor, size: int) -> list[int]:
    found: Sequence[Any]
    if len(search) < SHORTEST_SEARCH:
        found = await held.fetch(
            f"SELECT id FROM customer WHERE id {cursor.condition} $1 ORDER BY id {cursor.order} LIMIT $2",  # noqa: S608 - two words of ours
            cursor.id,
            size + 1,
        )
    else:
        page = f"id {cursor.condition} $1 ORDER BY id {cursor.order} LIMIT $2"
        found = await held.fetch(
            f"""
            SELECT id FROM (
                (SELECT id FROM customer WHERE lower(name) LIKE $3 AND {page})
                UNION (SELECT id FROM customer WHERE lower(email) LIKE $3 AND {page})
                UNION (SELECT customer FROM customer_link WHERE external_id = $4 AND customer IS NOT NULL)
            ) hit WHERE {page}
            """,  # noqa: S608 - two words of ours
            cursor.id,
            size + 1,
            prefix_pattern(search),
            search,
        )
    return [row["id"] for row in found]


def _row(row: Any) -> CustomerRow:
    link = LinkState.LINKED if row["linked"] else LinkState.NOT_LINKED
    return CustomerRow(row["id"], row["name"], row["email"], link, _balance(row))


def _balance(row: Any) -> tuple[Money, ...]:
    return tuple(
        Money(int(owed), currency) for currency, owed in zip(row["currencies"], row["owed"], strict=True)
    )


def _invoice(row: Any) -> CustomerInvoice:
    total = Money(row["total_minor"], row["currency"])
    return CustomerInvoice(
        row["id"], row["number"], row["status"], total, row["due_date"], row["mode"], row["created_at"]
    )


_ROWS = """
SELECT c.id, c.name, c.email, c.created_at, c.updated_at,
       EXISTS (SELECT FROM customer_link l WHERE l.customer = c.id AND NOT l.deleted) AS linked,
       coalesce(b.currencies, '{}') AS currencies, coalesce(b.owed, '{}') AS owed
FROM customer c LEFT JOIN LATERAL (
    SELECT array_agg(o.currency ORDER BY o.currency) AS currencies,
           array_agg(o.owed ORDER BY o.currency) AS owed
    FROM (
        SELECT i.currency, sum(i.total_minor - i.amount_paid_minor)::bigint AS owed FROM invoice i
        WHERE i.customer = c.id AND i.mode = $2 AND i.status IN ('open', 'processing', 'partly_paid')
        GROUP BY i.currency
    ) o
) b ON true
WHERE c.id = ANY($1::bigint[])
"""
_LINKS = """
SELECT a.plugin, a.title AS account_title, l.mode, l.external_id, l.deleted, l.seen_at
FROM customer_link l JOIN connected_account a ON a.id = l.account WHERE l.customer = $1 ORDER BY l.id
"""
_INVOICES = """
SELECT id, number, shown_invoice_status(status, due_date, $2) AS status, currency, total_minor, due_date,
       mode, created_at
FROM invoice WHERE customer = $1 ORDER BY id DESC LIMIT $3
"""
_OPTIONS = """
(SELECT id, name, email FROM customer WHERE id = $3)
UNION (SELECT id, name, email FROM customer WHERE lower(name) LIKE $1 ORDER BY lower(name), id LIMIT $2)
ORDER BY name, id
"""
