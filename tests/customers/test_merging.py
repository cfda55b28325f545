"""Two customers become one: nothing is left behind, nothing is lost, nobody is told anything wrong."""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import replace

import pytest

from portal.audit.services import SYSTEM
from portal.contract.facts import Mode
from portal.customers.holding import KEYS
from portal.customers.merging import merge_customers, preview_merge
from portal.customers.rules import merged_profile
from portal.database.transaction import transaction
from portal.errors import Conflict
from tests.builders import Connected, connect_account, make_customer
from tests.exchange import facts as make
from tests.exchange.facts import apply, payment, rows, somebody_waits, standing
from tests.visitors import Visitor

MAIL = "ap@initech.example"


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


async def imported(account: Connected) -> int:
    """A customer that was made for an invoice and a subscription from the provider."""
    await apply(account, make.product(), make.plan())
    await apply(account, make.invoice())
    await apply(account, make.subscription())
    return int((await rows("SELECT customer FROM customer_link"))[0][0])


async def owners(table: str) -> list[int]:
    return [owner for (owner,) in await rows(f"SELECT DISTINCT customer FROM {table} ORDER BY 1")]  # noqa: S608 - names of ours


async def test_no_key_that_names_a_customer_was_forgotten(database: None) -> None:
    found = await rows(
        """
        SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.confrelid = 'customer'::regclass
        """
    )
    assert sorted(found) == sorted(KEYS), "a new key names customers: merging has to move it as well"


async def test_everything_goes_over_and_the_old_address_leads_there(
    account: Connected, owner: Visitor
) -> None:
    gone, kept = await imported(account), await make_customer("Initech", MAIL)
    for _ in range(2):
        await merge_customers(kept, gone, actor=SYSTEM)
    for table in ("invoice", "subscription", "customer_link"):
        assert await owners(table) == [kept], table
    assert await rows("SELECT merged_into FROM customer WHERE id = $1", gone) == [(kept,)]
    assert len(await rows("SELECT FROM audit_entry WHERE action = 'customer.merged'")) == 2
    for page in ("", "/edit"):
        answer = await owner.get(f"/customers/{gone}{page}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/customers/{kept}{page}")


async def test_merging_again_flattens_the_way(account: Connected) -> None:
    first, second, third = [await make_customer(f"Initech {number}", MAIL) for number in (1, 2, 3)]
    await merge_customers(second, first, actor=SYSTEM)
    await merge_customers(third, second, actor=SYSTEM)
    assert await rows("SELECT merged_into FROM customer ORDER BY id") == [(third,), (third,), (None,)]


def test_the_kept_values_win_and_gaps_are_filled() -> None:
    kept = {"name": "Initech", "email": "", "address": "1 Main St", "tax_id": ""}
    gone = {"name": "INITECH", "email": MAIL, "address": "2 Side St", "tax_id": ""}
    results = {field.name: field.result for field in merged_profile(kept, gone)}
    assert results == {"name": "Initech", "email": MAIL, "address": "1 Main St", "tax_id": ""}


@pytest.mark.parametrize(("name", "told"), [("Initech", []), ("Initech here", [("push_customer",)])])
async def test_the_provider_hears_of_other_values_alone(
    account: Connected, name: str, told: list[tuple[str]]
) -> None:
    gone, kept = await imported(account), await make_customer(name, MAIL)
    await merge_customers(kept, gone, actor=SYSTEM)
    assert await rows("SELECT kind FROM sync_task WHERE subject_id = $1", kept) == told
    await apply(account, make.customer())  # what the provider says now was known: the portal's word counts
    assert await rows("SELECT name FROM customer WHERE id = $1", kept) == [(name,)]


async def test_two_whom_one_connection_has_apart_are_not_merged(account: Connected) -> None:
    gone = await imported(account)
    kept = await make_customer("Initech", MAIL)
    await apply(account, make.customer(external_id="cus_2", customer_id=kept))
    with pytest.raises(Conflict, match="has both as customers of its own"):
        await merge_customers(kept, gone, actor=SYSTEM)
    assert await owners("invoice") == [gone]


async def test_links_to_different_connections_stand_beside_each_other(account: Connected) -> None:
    gone, kept = await imported(account), await make_customer("Initech", MAIL)
    live = await connect_account(mode=Mode.LIVE)
    await apply(live, make.customer(external_id="cus_2", customer_id=kept))
    await merge_customers(kept, gone, actor=SYSTEM)
    assert await owners("customer_link") == [kept]


REFUSED = [
    ("UPDATE customer SET erased_at = now() WHERE id = $1 RETURNING id", "erased"),
    ("UPDATE customer SET merged_into = id + 1 WHERE id = $1 RETURNING id", "merged already"),
]


@pytest.mark.parametrize(("before", "why"), REFUSED)
async def test_who_is_gone_already_is_refused(account: Connected, before: str, why: str) -> None:
    kept = await make_customer("Initech", MAIL)
    await make_customer("Third", MAIL)
    gone = await make_customer("Initech too", MAIL)
    await rows(before, kept)
    assert why in (await preview_merge(kept, gone)).obstacle
    with pytest.raises(Conflict, match=why):
        await merge_customers(kept, gone, actor=SYSTEM)


async def test_nobody_is_merged_with_themselves(account: Connected) -> None:
    alone = await make_customer("Initech", MAIL)
    with pytest.raises(Conflict, match="with itself"):
        await merge_customers(alone, alone, actor=SYSTEM)


async def test_payment_that_arrives_during_the_merge_stands_on_the_moved_invoice(account: Connected) -> None:
    gone, kept = await imported(account), await make_customer("Initech", MAIL)
    async with transaction() as tx:
        await tx.connection.execute("SELECT FROM invoice FOR UPDATE")
        both = [
            asyncio.create_task(merge_customers(kept, gone, actor=SYSTEM), context=Context()),
            asyncio.create_task(apply(account, make.invoice(status="paid"), payment()), context=Context()),
        ]
        await somebody_waits(tx.connection)
    await asyncio.gather(*both)
    assert await standing() == ("paid", 12_000, 0)
    assert await owners("invoice") == [kept]
    assert len(await rows("SELECT FROM payment")) == 1


async def test_who_adds_something_during_the_merge_adds_it_to_the_kept_one(account: Connected) -> None:
    gone, kept = await imported(account), await make_customer("Initech", MAIL)
    async with transaction() as tx:
        await merge_customers(kept, gone, actor=SYSTEM)
        # On another connection: it looked the customer up before, and names the one that is going.
        late = asyncio.create_task(_add_draft(gone), context=Context())
        await somebody_waits(tx.connection)
    await late
    assert await owners("invoice") == [kept]


async def test_link_that_is_made_during_the_merge_is_left_to_people_where_there_is_one(
    account: Connected,
) -> None:
    kept, gone = await make_customer("Initech", MAIL), await make_customer("Initech too", MAIL)
    await merge_customers(kept, gone, actor=SYSTEM)
    await apply(account, make.customer(customer_id=kept))
    await rows(
        """
        INSERT INTO customer_link (account, mode, external_id, customer, seen_at)
        VALUES ($1, 'test', 'cus_2', $2, now()) RETURNING id
        """,
        account.id,
        gone,
    )
    found = await rows("SELECT external_id, customer FROM customer_link ORDER BY id")
    assert found == [("cus_1", kept), ("cus_2", None)]


async def test_metadata_that_name_a_merged_customer_mean_the_kept_one(account: Connected) -> None:
    kept, gone = await make_customer("Initech", MAIL), await make_customer("Initech too", MAIL)
    await merge_customers(kept, gone, actor=SYSTEM)
    await apply(account, replace(make.customer(), customer_id=gone))
    assert await owners("customer_link") == [kept]


async def _add_draft(customer_id: int) -> None:
    await rows(
        """
        INSERT INTO invoice (customer, mode, currency, created_at) VALUES ($1, 'test', 'usd', now())
        RETURNING id
        """,
        customer_id,
    )
