"""The list of customers: found by the start of a name or address, or by a provider's whole id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from portal.contract.facts import Mode
from portal.customers.matches import SEVERAL
from portal.customers.sums import SUMS, amounts
from portal.database.transaction import Connection, connection
from portal.money import Money
from portal.web.keysets import PAGE_SIZE, START, Cursor, Slice, cut, is_first_page_again, prefix_range

SHORTEST_SEARCH = 2
LONGEST_SEARCH = 100
PATH = "/customers"
WALKED = 2_000
"""So many customers are looked at one by one before those who are in a rare state are gathered."""


class LinkState(StrEnum):
    """Whether a provider knows the customer."""

    LINKED = "linked"
    NOT_LINKED = "not_linked"
    SEVERAL = "several"
    """Several of a provider's customers have the email address, and nobody has decided yet."""
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """What the list shows; `link` None: everybody."""

    search: str = ""
    link: LinkState | None = None

    @property
    def is_set(self) -> bool:
        """Whether anybody is left out."""
        return bool(self.search or self.link)

    def address(self, cursor: str = "") -> str:
        """The list's address."""
        asked = {"q": self.search, "link": self.link or "", "page_at": cursor}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"{PATH}?{query}" if query else PATH


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A line of the list. Balance and lifetime paid have one amount for each currency."""

    id: int
    name: str
    email: str
    link: LinkState
    balance: tuple[Money, ...] = field(default=())
    paid: tuple[Money, ...] = field(default=())


def read_filter(search: str, link: str) -> CustomerFilter:
    """The filter of an address; what it does not know shows everybody."""
    known = {state.value: state for state in LinkState}
    return CustomerFilter(search.strip()[:LONGEST_SEARCH], known.get(link))


async def list_customers(
    wanted: CustomerFilter, cursor: Cursor, *, mode: Mode, size: int = PAGE_SIZE
) -> Slice[CustomerRow]:
    """Newest first, without merged ones. Sums are of this page's customers, over invoices of `mode` alone."""
    async with connection() as held:
        read = await _read_ids(held, wanted, cursor, size)
        if is_first_page_again(read, cursor, size):
            cursor = START
            read = await _read_ids(held, wanted, cursor, size)
        ids = cut(read, cursor, size, id_of=int)
        rows = await held.fetch(ROWS, list(ids.rows), mode.value)
    found = {row["id"]: _row(row) for row in rows}
    return Slice(tuple(found[id_] for id_ in ids.rows if id_ in found), ids.newer, ids.older)


async def _read_ids(held: Connection, wanted: CustomerFilter, cursor: Cursor, size: int) -> list[int]:
    shown = f"c.merged_into IS NULL AND {_OF_STATE[wanted.link]} AND c.id {cursor.condition} $1"
    way = f"c.id {cursor.condition} $1 ORDER BY c.id {cursor.order}"
    page = f"ORDER BY c.id {cursor.order} LIMIT $2"
    found: Sequence[Any]
    if len(wanted.search) >= SHORTEST_SEARCH:
        found = await held.fetch(
            _FOUND.format(shown=shown, page=page, **_starting(wanted, cursor)),
            cursor.id,
            size + 1,
            *prefix_range(wanted.search),
            wanted.search,
        )
    elif wanted.link is LinkState.SEVERAL:
        found = await held.fetch(_NEAR.format(shown=shown, page=page, way=way), cursor.id, size + 1)
        if len(found) <= size:  # they are rare: looked for from the other side
            found = await held.fetch(f"{_RARE} AND {shown} {page}", cursor.id, size + 1)
    else:
        found = await held.fetch(
            f"SELECT c.id FROM customer c WHERE {shown} {page}",  # noqa: S608 - words of ours
            cursor.id,
            size + 1,
        )
    return [row["id"] for row in found]


def _starting(wanted: CustomerFilter, cursor: Cursor) -> dict[str, str]:
    fence = f"ORDER BY id {cursor.order} OFFSET 0" if wanted.link else ""
    return {column: _STARTING.format(column=column, fence=fence) for column in ("name", "email")}


def _row(row: Any) -> CustomerRow:
    return CustomerRow(
        row["id"],
        row["name"],
        row["email"],
        link_state(row),
        amounts(row["currencies"], row["owed"]),
        amounts(row["currencies"], row["paid"]),
    )


def link_state(row: Any) -> LinkState:
    """The state of a row of `ROWS`."""
    if row["erased_at"]:
        return LinkState.ERASED
    if row["several"]:
        return LinkState.SEVERAL
    return LinkState.LINKED if row["linked"] else LinkState.NOT_LINKED


_LINKED = "EXISTS (SELECT FROM customer_link l WHERE l.customer = c.id AND NOT l.deleted)"
_OF_STATE = {
    None: "true",
    LinkState.LINKED: f"c.erased_at IS NULL AND {_LINKED} AND NOT {SEVERAL}",
    LinkState.NOT_LINKED: f"c.erased_at IS NULL AND NOT {_LINKED} AND NOT {SEVERAL}",
    LinkState.SEVERAL: f"c.erased_at IS NULL AND {SEVERAL}",
    LinkState.ERASED: "c.erased_at IS NOT NULL",
}
_FOUND = """
SELECT c.id FROM (
    (SELECT c.id FROM {name} WHERE {shown} {page})
    UNION (SELECT c.id FROM {email} WHERE {shown} {page})
    UNION (SELECT c.id FROM customer_link f JOIN customer c ON c.id = f.customer
           WHERE f.external_id = $5 AND {shown})
) c {page}
"""
_STARTING = """(
    SELECT id, email, merged_into, erased_at FROM customer
    WHERE lower({column}) ~>=~ $3 AND lower({column}) ~<~ $4 {fence}) c"""
"""Whose name or address starts with the search. `OFFSET 0` is a fence: what the planner does not know of a
filter would have it asked of every hit, before they are in order and a page of them is enough."""
_NEAR = f"""
SELECT c.id FROM (
    SELECT * FROM customer c WHERE {{way}} LIMIT {WALKED}) c
WHERE {{shown}} {{page}}
"""  # noqa: S608 - a number of ours
_RARE = """
SELECT c.id FROM (
    SELECT DISTINCT address FROM (
        SELECT lower(email) AS address FROM customer_link
        WHERE customer IS NULL AND NOT deleted AND email <> ''
        GROUP BY lower(email), account HAVING count(*) > 1) AS shared
) AS rival JOIN customer c ON lower(c.email) = rival.address
WHERE true
"""
ROWS = f"""
SELECT c.*, {_LINKED} AS linked, {SEVERAL} AS several, s.currencies, s.owed, s.paid
FROM customer c LEFT JOIN LATERAL ({SUMS}) s ON true
WHERE c.id = ANY ($1::bigint[])
"""  # noqa: S608 - fragments of ours
"""Customers with their sums; $2: the mode whose invoices count."""
