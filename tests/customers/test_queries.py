"""The list of customers: found by the start of a name or address, and by a provider's id."""

from __future__ import annotations

import pytest

from portal.contract.facts import Mode
from portal.customers.lists import CustomerFilter, LinkState, list_customers
from portal.customers.queries import customer_options
from portal.database.transaction import transaction
from portal.web.keysets import START, read_cursor
from tests.builders import connect_account, make_customer, make_invoice

NAMES = ("Globex Trading", "Initech", "Umbrella_Health", "100% Organic")


@pytest.fixture
async def customers(database: None) -> dict[str, int]:
    return {name: await make_customer(name, f"{name[:3].lower()}@example.com") for name in NAMES}


async def names(search: str) -> list[str]:
    return [row.name for row in (await list_customers(CustomerFilter(search), START, mode=Mode.TEST)).rows]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("glob", ["Globex Trading"]),
        ("INI", ["Initech"]),
        ("umb@ex", ["Umbrella_Health"]),
        ("Umbrella_", ["Umbrella_Health"]),
        ("100%", ["100% Organic"]),
        ("%%", []),
        ("trading", []),
    ],
)
async def test_search_finds_what_starts_with_it(
    customers: dict[str, int], search: str, found: list[str]
) -> None:
    assert await names(search) == found


async def test_one_letter_is_no_search(customers: dict[str, int]) -> None:
    assert await names("g") == list(reversed(NAMES))


async def test_search_finds_a_providers_id(customers: dict[str, int]) -> None:
    account = await connect_account()
    async with transaction() as tx:
        await tx.connection.execute(
            """
            INSERT INTO customer_link (account, mode, external_id, customer, name, email, deleted, seen_at)
            VALUES ($1, 'test', 'cus_Q1', $2, '', '', false, now())
            """,
            account.id,
            customers["Initech"],
        )
    found = await list_customers(CustomerFilter("cus_Q1"), START, mode=Mode.TEST)
    assert [(row.name, row.link) for row in found.rows] == [("Initech", LinkState.LINKED)]


async def test_pages_hold_every_customer_once(customers: dict[str, int]) -> None:
    first = await list_customers(CustomerFilter(), START, mode=Mode.TEST, size=3)
    second = await list_customers(CustomerFilter(), read_cursor(first.older), mode=Mode.TEST, size=3)
    assert [row.name for row in (*first.rows, *second.rows)] == list(reversed(NAMES))
    assert (first.newer, second.older) == ("", "")


async def test_balance_counts_the_mode_alone(database: None) -> None:
    await connect_account(mode=Mode.TEST)
    await make_invoice(4200)
    owed = {
        mode: [
            money.format()
            for row in (await list_customers(CustomerFilter(), START, mode=mode)).rows
            for money in row.balance
        ]
        for mode in Mode
    }
    assert owed == {Mode.TEST: ["$42.00"], Mode.LIVE: []}


async def test_options_keep_the_chosen_customer(customers: dict[str, int]) -> None:
    options = await customer_options("glob", chosen=customers["Initech"])
    assert [name for _, name in options] == ["Globex Trading · glo@example.com", "Initech · ini@example.com"]
