"""The list of subscriptions, newest first: by tab, and by the start of a customer's name or address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.contract.facts import Mode
from portal.database.transaction import Connection, connection
from portal.money import Money
from portal.subscriptions.filters import SubscriptionFilter, Tab
from portal.subscriptions.statuses import Price, Standing, monthly_share
from portal.web.keysets import PAGE_SIZE, START, Cursor, Slice, cut, is_first_page_again, prefix_range

COUNT_CEILING = 10_000
FEW = 500
"""So many customers that a search finds are looked up by their subscriptions at once."""
WALKED = 2_000
"""So many subscriptions are looked at one by one before those of many customers are gathered."""


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A line of the list."""

    id: int
    mode: str
    customer_id: int
    customer_name: str
    plan: str
    plan_words: str
    """The plan's price in words; empty: not known."""
    quantity: int
    price: Price
    standing: Standing

    @property
    def share(self) -> Money | None:
        """Its part of the monthly recurring revenue."""
        return monthly_share(self.standing, self.price)


async def list_subscriptions(
    wanted: SubscriptionFilter, cursor: Cursor, *, size: int = PAGE_SIZE
) -> Slice[SubscriptionRow]:
    """One page of the list."""
    async with connection() as held:
        read = await _read_ids(held, wanted, cursor, size)
        if is_first_page_again(read, cursor, size):
            cursor = START
            read = await _read_ids(held, wanted, cursor, size)
        ids = cut(read, cursor, size, id_of=int)
        rows = await held.fetch(_ROWS, list(ids.rows)) if ids.rows else []
    found = {row["id"]: _row(row) for row in rows}
    return Slice(tuple(found[id_] for id_ in ids.rows if id_ in found), ids.newer, ids.older)


async def count_subscriptions(mode: Mode | None) -> dict[Tab, int]:
    """How many subscriptions each tab holds; a count above 10,000 stands for "more than that"."""
    most = f"LIMIT {COUNT_CEILING + 1}"
    counts = [f"(SELECT count(*) FROM ({_pieces(tab, mode, most)}) p) AS {tab.name}" for tab in Tab]  # noqa: S608 - words of ours
    async with connection() as held:
        row = await held.fetchrow(f"SELECT {', '.join(counts)}")
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row; this tells the type checker
    return {tab: row[tab.name.lower()] for tab in Tab}


async def _read_ids(held: Connection, wanted: SubscriptionFilter, cursor: Cursor, size: int) -> list[int]:
    page = f"ORDER BY id {cursor.order} LIMIT {size + 1}"
    behind = f"AND s.id {cursor.condition} $1"
    if wanted.searches:
        return await _search(held, wanted, (behind, page, cursor), size)
    pieces = _pieces(wanted.tab, wanted.mode, f"{behind} {page}")
    rows = await held.fetch(f"SELECT id FROM ({pieces}) p {page}", cursor.id)  # noqa: S608 - words of ours
    return [row["id"] for row in rows]


async def _search(
    held: Connection, wanted: SubscriptionFilter, place: tuple[str, str, Cursor], size: int
) -> list[int]:
    """By a provider's whole id, else by the customers; those of a short search are too many to gather."""
    behind, page, cursor = place
    named = [row["id"] for row in await held.fetch(_NAMED, wanted.search)]
    starts = prefix_range(wanted.search)
    customers = [] if named else await held.fetch(f"{_CUSTOMERS} LIMIT {FEW + 1}", *starts)
    if len(customers) > FEW:
        steps = f"ORDER BY id {cursor.order} LIMIT {WALKED}"
        pieces = _pieces(wanted.tab, wanted.mode, f"{behind} {steps}")
        walked = _WALK.format(pieces=pieces, steps=steps, page=page)
        row = await held.fetchrow(walked, cursor.id, *starts)
        assert row is not None  # noqa: S101 - a SELECT without FROM has one row; this tells the type checker
        if len(row["found"]) > size or row["looked_at"] < WALKED:
            return list(row["found"])
        customers = await held.fetch(_CUSTOMERS, *starts)
    sought = "s.id" if named else "s.customer"
    pieces = _pieces(wanted.tab, wanted.mode, f"{behind} AND {sought} = ANY($2::bigint[])")
    # A fence: what a search finds is gathered by its own key, and then put in order.
    gathered = f"WITH found AS MATERIALIZED ({pieces}) SELECT id FROM found {page}"  # noqa: S608 - words of ours
    rows = await held.fetch(gathered, cursor.id, named or [row["id"] for row in customers])
    return [row["id"] for row in rows]


def _pieces(tab: Tab, mode: Mode | None, rest: str) -> str:
    """Each piece has a key of its own, whose order is the list's."""
    return " UNION ALL ".join(
        f"(SELECT s.id FROM subscription s WHERE s.mode = '{one.value}' AND {condition} {rest})"  # noqa: S608 - words of ours
        for one in ([mode] if mode else list(Mode))
        for condition in _CONDITIONS[tab]
    )


def _row(row: Mapping[str, Any]) -> SubscriptionRow:
    amount = row["amount_minor"]
    return SubscriptionRow(
        id=row["id"],
        mode=row["mode"],
        customer_id=row["customer"],
        customer_name=row["customer_name"],
        plan=row["plan"],
        plan_words=row["plan_words"],
        quantity=row["quantity"],
        price=Price(
            None if amount is None else Money(amount, row["currency"]), row["interval"], row["interval_count"]
        ),
        standing=standing_of(row),
    )


def standing_of(row: Mapping[str, Any]) -> Standing:
    """The standing of a row of `subscription` that has `retry_at` besides."""
    return Standing(**{name: row[name] for name in Standing.__dataclass_fields__})


_RUNS = "s.status NOT IN ('canceled', 'incomplete_expired')"
_CONDITIONS: Mapping[Tab, tuple[str, ...]] = {
    Tab.ALL: ("true",),
    Tab.ACTIVE: ("s.status = 'active' AND s.pause = ''",),
    Tab.TRIALING: ("s.status = 'trialing' AND s.pause = ''",),
    Tab.DUNNING: ("s.status = 'past_due'", "s.status = 'unpaid'"),
    Tab.ENDING: (f"(s.cancel_at_period_end OR s.cancel_at IS NOT NULL) AND {_RUNS}",),
    Tab.PAUSED: (f"(s.pause <> '' OR s.status = 'paused') AND {_RUNS}",),
    Tab.ENDED: ("s.status = 'canceled'", "s.status = 'incomplete_expired'"),
}
"""As the keys of the table are written: a partial one is used where its condition is the query's."""
_NAMED = """
SELECT id FROM subscription WHERE account = ANY(ARRAY(SELECT id FROM connected_account)) AND external_id = $1
"""
_STARTS = "lower({0}) ~>=~ $2 AND lower({0}) ~<~ $3"
_CUSTOMERS = """
SELECT id FROM customer WHERE lower(name) ~>=~ $1 AND lower(name) ~<~ $2
UNION ALL SELECT id FROM customer WHERE lower(email) ~>=~ $1 AND lower(email) ~<~ $2
"""
_WALK = f"""
WITH walked AS MATERIALIZED (SELECT id FROM ({{pieces}}) p {{steps}})
SELECT (SELECT count(*) FROM walked) AS looked_at, ARRAY(
    SELECT w.id FROM walked w JOIN subscription s ON s.id = w.id JOIN customer c ON c.id = s.customer
    WHERE {_STARTS.format("c.name")} OR {_STARTS.format("c.email")} {{page}}) AS found
"""  # noqa: S608 - fragments of ours
PLAN_NAME = "coalesce(nullif(d.name, ''), nullif(p.words, ''), s.plan_external_id)"
PLAN_JOIN = """
LEFT JOIN plan p ON p.account = s.account AND p.external_id = s.plan_external_id
LEFT JOIN product d ON d.account = s.account AND d.external_id = p.product_external_id
"""
OPEN_INVOICE = """
LEFT JOIN LATERAL (
    SELECT i.id, i.next_attempt_at FROM invoice i
    WHERE i.account = s.account AND i.subscription_external_id = s.external_id
          AND i.status IN ('open', 'partly_paid', 'processing')
          AND s.status IN ('past_due', 'unpaid', 'incomplete')
    ORDER BY i.created_at DESC, i.id DESC LIMIT 1
) o ON true
"""
"""The newest invoice that is still owed, of a subscription whose money is missing."""
_ROWS = f"""
SELECT s.*, c.name AS customer_name, {PLAN_NAME} AS plan, coalesce(p.words, '') AS plan_words,
       o.next_attempt_at AS retry_at
FROM subscription s JOIN customer c ON c.id = s.customer {PLAN_JOIN} {OPEN_INVOICE}
WHERE s.id = ANY($1::bigint[])
"""  # noqa: S608 - fragments of ours
