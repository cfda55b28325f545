"""What is stored of a page's objects is found by their names, however many others there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from portal.accounts.services import load_account
from portal.contract.work import Reading, ReadingPage
from portal.customers.links import ProviderCustomer, customers_of
from portal.database.transaction import Connection, connection, transaction_on
from portal.exchange.applying import PageResult, apply_page
from portal.exchange.readings import source_of
from portal.invoices.bulk import known_invoices
from tests.builders import connect_account
from tests.exchange import facts as make
from tests.exchange import listings

MANY = 400
FEW = 3
TOUCHED = """
SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::int FROM pg_stat_xact_user_tables
WHERE relname = ANY($1::text[])
"""


def page(first: int, count: int) -> ReadingPage:
    """Customers who owe nothing, and paid invoices of others."""
    people = [make.customer(external_id=f"cus_free_{number}") for number in range(first, first + count)]
    bills = [
        (make.invoice(number, customer_external_id=f"cus_{number}"), make.payment(number))
        for number in range(first, first + count)
    ]
    return ReadingPage(
        [
            *(Reading(facts=(one,), key=f"customer:{one.external_id}") for one in people),
            *(Reading(facts=bill, key=f"invoice:{bill[0].external_id}") for bill in bills),
        ],
        None,
    )


@pytest.fixture
async def held(database: None) -> AsyncIterator[Connection]:
    """A worker's session, whose plans were made before anything was stored."""
    account = await load_account((await connect_account()).id)
    async with connection() as held:
        await held.execute("SET plan_cache_mode = force_generic_plan")
        for first, count in ((0, 1), (0, 1), (1, MANY)):
            async with transaction_on(held) as tx:
                await apply_page(tx.connection, account, page(first, count), read_at=datetime.now(UTC))
        await held.execute("ANALYZE")  # waits for its turn, unlike what a run does
        async with transaction_on(held):
            yield held
        await held.execute("RESET plan_cache_mode")


async def touched(held: Connection, *tables: str) -> int:
    """How many of their rows this transaction has looked at."""
    found: int = await held.fetchval(TOUCHED, tables)
    return found


async def test_invoices_are_found_by_either_name_without_a_look_at_others(held: Connection) -> None:
    account = await load_account(await held.fetchval("SELECT id FROM connected_account"))
    ids = [row["id"] for row in await held.fetch("SELECT id FROM invoice ORDER BY id LIMIT 2")]
    before = await touched(held, "invoice")
    known = await known_invoices(held, source_of(account), ids, [f"in_{number}" for number in range(FEW)])
    assert set(known.by_external_id) == {"in_0", "in_1", "in_2"}
    assert set(ids) < set(known.by_id)
    assert await touched(held, "invoice") - before < 10 * FEW


async def test_a_page_that_is_known_looks_at_its_own_objects_alone(held: Connection) -> None:
    account = await load_account(await held.fetchval("SELECT id FROM connected_account"))
    tables = ("invoice", "customer_link", "customer", "payment", "payment_attempt", "object_reading")
    before = await touched(held, *tables)
    assert await apply_page(held, account, page(1, FEW), read_at=datetime.now(UTC)) == PageResult(
        unchanged=2 * FEW
    )
    assert await touched(held, *tables) - before < 10 * FEW


async def test_customers_that_are_made_cost_no_look_at_others(held: Connection) -> None:
    account = await load_account(await held.fetchval("SELECT id FROM connected_account"))
    wanted = [ProviderCustomer(f"cus_free_{number}", "Initech", "") for number in range(FEW)]
    before = await touched(held, "customer_link", "customer")
    made = await customers_of(held, source_of(account), wanted)
    assert len(set(made.values())) == FEW
    assert await touched(held, "customer_link", "customer") - before < 10 * FEW
    assert await customers_of(held, source_of(account), [replace(wanted[0], name="Other")]) == {
        "cus_free_0": made["cus_free_0"]
    }


async def test_a_run_renews_what_the_planner_believes_while_it_writes(
    account_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "PER_PAGE", 50)
    listings.WORLD.add_customers(900)
    assert await listings.work_to_end(await listings.begin(account_id)) == "done"
    ((known,),) = await make.rows("SELECT reltuples FROM pg_class WHERE relname = 'customer_link'")
    assert known >= 100
