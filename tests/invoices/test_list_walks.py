"""Every order with every filter, page by page and back, beside the same list made in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from portal.contract.facts import Mode
from portal.database.transaction import transaction
from portal.invoices import searches, selections
from portal.invoices.filters import Column, InvoiceFilter, Order, Tab, read_filter
from portal.invoices.queries import count_invoices, list_cursor, list_invoices
from portal.web.keysets import START
from tests.builders import connect_account, make_customer

TODAY = date(2026, 11, 23)
SIZE = 6
Row = dict[str, Any]
FRAME = InvoiceFilter(TODAY, mode=Mode.TEST)

# Ties in everything, no due date, no number, numbers of several lengths, both modes.
SEED = """
INSERT INTO invoice (customer, account, mode, origin, attempts, currency, status, number, subtotal_minor,
                     total_minor, due_date, sync_state, created_at)
SELECT $1::bigint + n % 3, CASE WHEN n % 5 > 0 AND n % 11 > 0 THEN $2::bigint END,
       CASE WHEN n % 11 = 0 THEN 'live' ELSE 'test' END,
       CASE WHEN n % 14 = 0 THEN 'provider' ELSE 'portal' END,
       CASE WHEN n % 14 = 0 THEN 1 ELSE 0 END, (ARRAY['usd', 'usd', 'jpy', 'kwd'])[1 + n % 4], status,
       CASE WHEN status <> 'draft' THEN (ARRAY['INV-', 'INV-', 'a-'])[1 + n % 3]
            || lpad((n * 7)::text, greatest(1 + n % 4, length((n * 7)::text)), '0') END,
       100 * (n % 6), 100 * (n % 6), CASE WHEN n % 7 > 0 THEN date '2026-11-20' + n % 6 END,
       CASE WHEN n % 5 > 0 AND n % 11 > 0 THEN (ARRAY['in_step', 'waiting', 'failed'])[1 + n % 3]
            ELSE 'none' END,
       timestamptz '2026-11-01 12:00Z' + n % 9 * interval '1 day'
FROM generate_series(1, 48) AS n,
     LATERAL (SELECT (ARRAY['open', 'draft', 'paid', 'open', 'partly_paid', 'void', 'processing', 'refunded',
                            'uncollectible', 'open'])[1 + n % 10] AS status) AS s
"""
CONFLICTS = """
INSERT INTO sync_difference (account, mode, subject_kind, subject_id, external_id, field, ours, theirs, kind,
                             cause, rule, trusted, found_by, found_at)
SELECT account, mode, 'invoice', id, 'in_' || id, 'memo', 'a', 'b', 'conflict', '', '',
       'person', 'event', now()
FROM invoice WHERE account IS NOT NULL AND id % 4 = 0
"""
ALL = """
SELECT i.*, c.name, c.email, EXISTS (SELECT FROM sync_difference d WHERE d.subject_id = i.id) AS conflict
FROM invoice i JOIN customer c ON c.id = i.customer
"""


def late(row: Row) -> bool:
    uncollected = row["origin"] == "provider" and row["due_date"] is None and row["attempts"] > 0
    return row["status"] in ("open", "partly_paid") and (
        uncollected or (row["due_date"] is not None and row["due_date"] < TODAY)
    )


def synced(state: str) -> Callable[[Row], bool]:
    return lambda row: ("conflict" if row["conflict"] else row["sync_state"]) == state


def starts(text: str) -> Callable[[Row], bool]:
    return lambda row: any((row[name] or "").lower().startswith(text) for name in ("number", "name", "email"))


FILTERS: dict[str, tuple[dict[str, str], Callable[[Row], bool]]] = {
    "everything": ({}, lambda _: True),
    "drafts": ({"tab": "draft"}, lambda row: row["status"] == "draft"),
    "open": (
        {"tab": "open"},
        lambda row: row["status"] in ("open", "partly_paid", "processing") and not late(row),
    ),
    "past due": ({"tab": "past-due"}, late),
    "refunded": ({"status": "refunded"}, lambda row: row["status"] == "refunded"),
    "open ones that are partly paid": (
        {"tab": "open", "status": "partly_paid"},
        lambda row: row["status"] == "partly_paid" and not late(row),
    ),
    "paid and void at once": ({"tab": "paid", "status": "void"}, lambda _: False),
    "in step": ({"sync": "in_step"}, synced("in_step")),
    "waiting": ({"sync": "waiting"}, synced("waiting")),
    "failed and past due": (
        {"sync": "failed", "tab": "past-due"},
        lambda row: synced("failed")(row) and late(row),
    ),
    "conflict": ({"sync": "conflict"}, synced("conflict")),
    "a currency": ({"currency": "usd"}, lambda row: row["currency"] == "usd"),
    "amounts": (
        {"currency": "jpy", "min": "100", "max": "300"},
        lambda row: row["currency"] == "jpy" and 100 <= row["total_minor"] <= 300,
    ),
    "amounts of the default currency": (
        {"min": "2"},
        lambda row: row["currency"] == "usd" and row["total_minor"] >= 200,
    ),
    "due days": (
        {"due_from": "2026-11-21", "due_to": "2026-11-23"},
        lambda row: (
            row["due_date"] is not None and date(2026, 11, 21) <= row["due_date"] <= date(2026, 11, 23)
        ),
    ),
    "created days": (
        {"created_from": "2026-11-02", "created_to": "2026-11-05"},
        lambda row: date(2026, 11, 2) <= row["created_at"].astimezone(UTC).date() <= date(2026, 11, 5),
    ),
    "a number": ({"q": "INV-0"}, starts("inv-0")),
    "a name": ({"q": "glob", "tab": "open"}, lambda row: starts("glob")(row) and FILTERS["open"][1](row)),
    "an address": (
        {"q": "bill@", "sync": "in_step"},
        lambda row: starts("bill@")(row) and synced("in_step")(row),
    ),
    "nobody": ({"q": "zz"}, lambda _: False),
}


def place(row: Row, column: Column) -> tuple[Any, ...]:
    """Its place among rows that have the key."""
    number = row["number"] or ""
    digits = number.rstrip("0123456789")
    keys = {
        Column.CREATED: (row["created_at"],),
        Column.DUE: (row["due_date"] or date.min,),
        Column.AMOUNT: (row["currency"], row["total_minor"]),
        Column.NUMBER: (digits, len(number), number),
    }
    return (*keys[column], row["id"])


def has_key(row: Row, column: Column) -> bool:
    return not (column is Column.DUE and row["due_date"] is None) and not (
        column is Column.NUMBER and row["number"] is None
    )


def in_memory(rows: list[Row], order: Order, fits: Callable[[Row], bool]) -> list[int]:
    """Rows without the key come last in both directions."""
    ordered = sorted(
        (row for row in rows if fits(row)), key=lambda row: place(row, order.column), reverse=order.falling
    )
    parts = [[row["id"] for row in ordered if has_key(row, order.column) is keyed] for keyed in (True, False)]
    return [*parts[0], *parts[1]]


async def walked(wanted: InvoiceFilter) -> tuple[list[int], list[int]]:
    """The ids met on the way down, and on the way back up."""
    page = await list_invoices(wanted, START, size=SIZE)
    down = [row.id for row in page.rows]
    while page.older:
        page = await list_invoices(wanted, list_cursor(wanted, page.older), size=SIZE)
        down += [row.id for row in page.rows]
        assert len(down) < 100, "the walk goes in a circle"
    up = [row.id for row in page.rows]
    while page.newer:
        page = await list_invoices(wanted, list_cursor(wanted, page.newer), size=SIZE)
        up = [row.id for row in page.rows] + up
        assert len(up) < 100, "the walk goes in a circle"
    return down, up


@pytest.fixture
async def rows(database: None) -> list[Row]:
    account = await connect_account()
    first = await make_customer()
    await make_customer("Initech", "bill@initech.example")
    await make_customer("Umbrella", "")
    async with transaction() as tx:
        await tx.connection.execute(SEED, first, account.id)
        await tx.connection.execute(CONFLICTS)
        return [dict(row) for row in await tx.connection.fetch(ALL)]


ORDERS = [Order(column, falling) for column in Column for falling in (True, False)]


@pytest.mark.parametrize("steps", [10_000, 8], ids=["far", "near"])
@pytest.mark.parametrize("order", ORDERS, ids=str)
async def test_every_filter_meets_its_invoices_once_in_order_and_back(
    rows: list[Row], order: Order, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selections, "WALKED", steps)
    monkeypatch.setattr(searches, "FEW", 500 if steps > SIZE + 2 else 0)
    for name, (values, fits) in FILTERS.items():
        wanted = read_filter({**values, "sort": str(order)}, FRAME, currency="usd")
        expected = in_memory([row for row in rows if row["mode"] == "test"], order, fits)
        down, up = await walked(wanted)
        assert down == expected, name
        assert up == expected, name


@pytest.mark.parametrize("order", ORDERS, ids=str)
async def test_without_a_mode_both_are_merged(rows: list[Row], order: Order) -> None:
    wanted = replace(FRAME, mode=None, order=order)
    assert (await walked(wanted))[0] == in_memory(rows, order, lambda _: True)


async def test_live_and_test_have_lists_and_counts_apart(rows: list[Row]) -> None:
    live = {row["id"] for row in rows if row["mode"] == "live"}
    assert live
    assert set((await walked(replace(FRAME, mode=Mode.LIVE)))[0]) == live
    assert (await count_invoices(TODAY, Mode.LIVE))[Tab.ALL] == len(live)
    for tab in Tab:
        met = (await walked(replace(FRAME, tab=tab)))[0]
        assert (await count_invoices(TODAY, Mode.TEST))[tab] == len(met)


async def test_one_customer_is_shown_alone_in_every_order(rows: list[Row]) -> None:
    customer = rows[0]["customer"]
    for order in ORDERS:
        wanted = replace(FRAME, customer=customer, order=order)
        mine = [row for row in rows if row["mode"] == "test" and row["customer"] == customer]
        assert (await walked(wanted))[0] == in_memory(mine, order, lambda _: True)


async def test_days_begin_where_the_organisation_is(rows: list[Row]) -> None:
    values = {"created_from": "2026-11-03", "created_to": "2026-11-03"}
    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE invoice SET created_at = $2 WHERE id = $1",
            rows[0]["id"],
            datetime(2026, 11, 3, 2, tzinfo=UTC),
        )
    there = {
        zone: read_filter(values, replace(FRAME, mode=None, zone=zone))
        for zone in ("UTC", "America/New_York")
    }
    assert rows[0]["id"] in (await walked(there["UTC"]))[0]
    assert rows[0]["id"] not in (await walked(there["America/New_York"]))[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "o1",
        "o1.",
        "o1.e30",
        "o1.W10",
        "o1.WyIiXQ",
        "o1.W251bGxd",
        "n1.WzFd.WzFd",
        "o1.W1tbW1tbW1tb",
        "o1.%00",
    ],
)
async def test_a_strange_cursor_is_the_start(rows: list[Row], text: str) -> None:
    for order in ORDERS:
        wanted = replace(FRAME, order=order)
        cursor = list_cursor(wanted, text)
        readable = {"o1.W251bGxd": (Column.DUE, Column.NUMBER), "o1.WyIiXQ": (Column.NUMBER,)}
        if order.column in readable.get(text, ()):
            await list_invoices(wanted, cursor)
        else:
            assert cursor == START
