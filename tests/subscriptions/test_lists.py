"""Lists of subscriptions and plans on a real database: tabs, search, modes, and walks from page to page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from portal.contract.facts import Mode
from portal.database.transaction import transaction
from portal.subscriptions import queries
from portal.subscriptions.filters import SubscriptionFilter, Tab
from portal.subscriptions.plans import Kind, PlanFilter, list_plans
from portal.subscriptions.queries import count_subscriptions, list_subscriptions
from portal.web.keysets import START, read_cursor
from tests.builders import connect_account, make_customer
from tests.exchange import facts as make
from tests.exchange.facts import apply, rows

SIZE = 6
Row = dict[str, Any]
SEED = """
INSERT INTO subscription (account, mode, external_id, customer, customer_external_id, plan_external_id,
                          status, amount_minor, currency, interval, started_at, period_end, cancel_at,
                          cancel_at_period_end, pause, seen_at)
SELECT CASE WHEN n % 5 = 0 THEN $1::bigint ELSE $2::bigint END,
       CASE WHEN n % 5 = 0 THEN 'live' ELSE 'test' END,
       'sub_' || n, $3::bigint + n % 3, 'cus_1', 'price_1',
       (ARRAY['active', 'active', 'past_due', 'trialing', 'unpaid', 'canceled', 'incomplete', 'paused',
              'incomplete_expired'])[1 + n % 9],
       2000, 'usd', 'month', now(), now(), CASE WHEN n % 11 = 0 THEN now() END, n % 7 = 0,
       CASE WHEN n % 8 = 0 THEN 'void' ELSE '' END, now()
FROM generate_series(1, 70) AS n
"""
ENDED = ("canceled", "incomplete_expired")
TABS: dict[Tab, Callable[[Row], bool]] = {
    Tab.ALL: lambda _: True,
    Tab.ACTIVE: lambda row: row["status"] == "active" and not row["pause"],
    Tab.TRIALING: lambda row: row["status"] == "trialing" and not row["pause"],
    Tab.DUNNING: lambda row: row["status"] in ("past_due", "unpaid"),
    Tab.ENDING: lambda row: (
        bool(row["cancel_at_period_end"] or row["cancel_at"]) and row["status"] not in ENDED
    ),
    Tab.PAUSED: lambda row: bool(row["pause"] or row["status"] == "paused") and row["status"] not in ENDED,
    Tab.ENDED: lambda row: row["status"] in ENDED,
}


@pytest.fixture
async def stored(database: None) -> list[Row]:
    """Seventy subscriptions in every state, of three customers and both modes, newest first."""
    live = await connect_account(mode=Mode.LIVE)
    test = await connect_account(external_id="acct_other")
    first = await make_customer("Acme Inc", "ap@acme.example")
    await make_customer("Globex", "acme-fan@globex.example")
    await make_customer("Initech", "ap@initech.example")
    async with transaction() as tx:
        await tx.connection.execute(SEED, live.id, test.id, first)
        found = await tx.connection.fetch(
            """
            SELECT s.*, c.name, c.email FROM subscription s JOIN customer c ON c.id = s.customer
            ORDER BY s.id DESC
            """
        )
    return [dict(row) for row in found]


async def walked(wanted: SubscriptionFilter) -> list[int]:
    """Down to the last page, and up again to the same first one."""
    found = await list_subscriptions(wanted, START, size=SIZE)
    pages = [[row.id for row in found.rows]]
    while found.older:
        found = await list_subscriptions(wanted, read_cursor(found.older), size=SIZE)
        pages.append([row.id for row in found.rows])
    for before in reversed(pages[:-1]):
        found = await list_subscriptions(wanted, read_cursor(found.newer), size=SIZE)
        assert [row.id for row in found.rows] == before
    assert not found.newer
    return [id_ for page in pages for id_ in page]


@pytest.mark.parametrize("mode", [None, *Mode])
async def test_each_tab_shows_every_one_of_its_own_once_newest_first(
    stored: list[Row], mode: Mode | None
) -> None:
    counts = await count_subscriptions(mode)
    for tab, belongs in TABS.items():
        expected = [row["id"] for row in stored if belongs(row) and mode in (None, row["mode"])]
        assert expected, tab
        assert await walked(SubscriptionFilter(tab, mode=mode)) == expected, tab
        assert counts[tab] == len(expected), tab


@pytest.mark.parametrize("limits", [(500, 2_000), (1, 2_000), (1, 9)])
@pytest.mark.parametrize("search", ["acme", "ACME", "initech", "ap@", "nobody", "%%", "sub_7"])
async def test_a_search_finds_by_the_start_of_name_and_address_or_the_whole_id_within_the_tab(
    stored: list[Row], monkeypatch: pytest.MonkeyPatch, search: str, limits: tuple[int, int]
) -> None:
    for name, value in zip(("FEW", "WALKED"), limits, strict=True):
        monkeypatch.setattr(queries, name, value)
    for tab in (Tab.ALL, Tab.DUNNING):
        expected = [row["id"] for row in stored if TABS[tab](row) and found_by(search, row)]
        assert await walked(SubscriptionFilter(tab, search)) == expected


def found_by(search: str, row: Row) -> bool:
    return row["external_id"] == search or any(
        row[name].lower().startswith(search.lower()) for name in ("name", "email")
    )


async def test_one_letter_is_no_search(stored: list[Row]) -> None:
    assert len(await walked(SubscriptionFilter(search="x"))) == len(stored)


async def test_a_past_due_one_is_charged_again_when_its_newest_open_invoice_is_tried_next(
    database: None,
) -> None:
    account = await connect_account()
    await apply(account, make.product(), make.plan(), make.subscription("past_due"))
    await apply(account, make.invoice(subscription_external_id="sub_1"))
    retry = datetime(2026, 11, 27, 9, tzinfo=UTC)
    await rows("UPDATE invoice SET attempts = 1, next_attempt_at = $1 RETURNING id", retry)
    (row,) = (await list_subscriptions(SubscriptionFilter(), START)).rows
    assert (row.plan, row.standing.next_charge) == ("Pro", retry)
    await rows("UPDATE invoice SET status = 'void' RETURNING id")
    (row,) = (await list_subscriptions(SubscriptionFilter(), START)).rows
    assert row.standing.next_charge == row.standing.period_end


async def test_plans_are_told_with_state_and_the_subscriptions_that_run(database: None) -> None:
    account = await connect_account()
    await apply(account, make.product(), make.plan())
    await apply(account, make.subscription(), make.subscription("canceled", external_id="sub_2"))
    assert await told(Kind.ALL) == [("Pro", "$20.00 per month", "active", 1)]
    assert await told(Kind.ARCHIVED) == []
    await rows("UPDATE product SET active = false RETURNING id")
    assert await told(Kind.ARCHIVED) == [("Pro", "$20.00 per month", "archived", 1)]
    assert await told(Kind.ACTIVE) == []
    await rows("UPDATE plan SET deleted = true RETURNING id")
    assert await told(Kind.ALL) == [("Pro", "$20.00 per month", "deleted", 1)]


async def test_plans_are_read_page_by_page_and_mode_by_mode(database: None) -> None:
    for account in (await connect_account(), await connect_account(mode=Mode.LIVE, external_id="acct_live")):
        await rows(
            """
            INSERT INTO plan (account, mode, external_id, product_external_id, currency, words, seen_at)
            SELECT $1, $2, 'price_' || n, 'prod_1', 'usd', '', now() FROM generate_series(1, 9) AS n
            RETURNING id
            """,
            account.id,
            account.mode.value,
        )
    wanted = PlanFilter(mode=Mode.LIVE)
    first = await list_plans(wanted, START, size=SIZE)
    second = await list_plans(wanted, read_cursor(first.older), size=SIZE)
    assert [row.mode for row in (*first.rows, *second.rows)] == [Mode.LIVE] * 9
    assert (await list_plans(wanted, read_cursor(second.newer), size=SIZE)).rows == first.rows
    assert len((await list_plans(PlanFilter(), START)).rows) == 18


async def told(kind: Kind) -> list[tuple[str, str, str, int]]:
    found = await list_plans(PlanFilter(kind), START)
    return [(row.product, row.words, row.state, row.subscriptions) for row in found.rows]
