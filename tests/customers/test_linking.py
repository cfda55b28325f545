"""Who may be the same is proposed by the email address, and decided by a person."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from portal.audit.services import SYSTEM
from portal.contract.facts import Mode
from portal.customers.linking import keep_apart, keep_twins_apart, link_customer
from portal.customers.lists import CustomerFilter, LinkState, list_customers, read_filter
from portal.customers.matches import Matches, matches_of
from portal.database.transaction import connection
from portal.errors import Conflict
from portal.web.keysets import START
from tests.builders import Connected, connect_account, make_customer
from tests.exchange.facts import apply, customer, rows

MAIL = "ap@initech.example"


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


async def unknown(account: Connected, external_id: str, email: str = MAIL, name: str = "Initech") -> int:
    """A provider's customer whom nobody knows; the id of its link."""
    await apply(account, customer(name, email, external_id=external_id))
    return int((await rows("SELECT id FROM customer_link WHERE external_id = $1", external_id))[0][0])


async def matches(customer_id: int) -> Matches:
    async with connection() as held:
        return await matches_of(held, customer_id)


async def linked_to(customer_id: int) -> list[str]:
    found = await rows("SELECT external_id FROM customer_link WHERE customer = $1 ORDER BY id", customer_id)
    return [external_id for (external_id,) in found]


async def states() -> dict[str, LinkState]:
    found = await list_customers(CustomerFilter(), START, mode=Mode.TEST)
    return {row.name: row.link for row in found.rows}


async def test_one_with_the_same_address_is_proposed_and_linked_by_a_person_alone(account: Connected) -> None:
    customer_id = await make_customer("Initech", "AP@Initech.example")
    link_id = await unknown(account, "cus_1")
    assert [match.external_id for match in (await matches(customer_id)).links] == ["cus_1"]
    assert await linked_to(customer_id) == []
    for _ in range(2):
        await link_customer(customer_id, link_id, actor=SYSTEM)
    assert await linked_to(customer_id) == ["cus_1"]
    assert (await matches(customer_id)).links == ()
    assert await rows("SELECT words FROM audit_entry WHERE action = 'customer.linked'") == [
        ("Linked to cus_1 of Northwind.",)
    ]


async def test_the_provider_is_told_only_where_it_has_other_values(account: Connected) -> None:
    same, other = (
        await make_customer("Initech", MAIL),
        await make_customer("Globex here", "ap@globex.example"),
    )
    await link_customer(same, await unknown(account, "cus_1"), actor=SYSTEM)
    there = await unknown(account, "cus_2", "ap@globex.example", "Globex there")
    await link_customer(other, there, actor=SYSTEM)
    assert await rows("SELECT kind, subject_id FROM sync_task") == [("push_customer", other)]


async def test_several_with_one_address_are_shown_as_such_and_stay_unlinked(account: Connected) -> None:
    customer_id = await make_customer("Initech", MAIL)
    first, second = [await unknown(account, f"cus_{number}") for number in (1, 2)]
    assert len((await matches(customer_id)).links) == 2
    assert await states() == {"Initech": LinkState.SEVERAL}
    await keep_apart(customer_id, second, actor=SYSTEM)
    assert await states() == {"Initech": LinkState.NOT_LINKED}
    assert [match.link_id for match in (await matches(customer_id)).links] == [first]


async def test_the_list_filters_by_every_state(account: Connected) -> None:
    several, linked, alone, erased = [
        await make_customer(name, f"{name}@x.example") for name in ("several", "linked", "alone", "erased")
    ]
    for number in (1, 2):
        await unknown(account, f"cus_{number}", "several@x.example")
    await link_customer(linked, await unknown(account, "cus_3", "linked@x.example"), actor=SYSTEM)
    await rows("UPDATE customer SET erased_at = now() WHERE id = $1 RETURNING id", erased)
    gone = await make_customer("merged", "m@x.example")
    await rows("UPDATE customer SET merged_into = $2 WHERE id = $1 RETURNING id", gone, alone)
    wanted = {"": [erased, alone, linked, several], "linked": [linked], "not_linked": [alone]}
    wanted |= {"several": [several], "erased": [erased], "nonsense": wanted[""]}
    for state, ids in wanted.items():
        found = await list_customers(read_filter("", state), START, mode=Mode.TEST)
        assert [row.id for row in found.rows] == ids, state
        searched = await list_customers(read_filter("alone", state), START, mode=Mode.TEST)
        assert [row.id for row in searched.rows] == [one for one in ids if one == alone], state


async def test_who_is_kept_apart_is_not_proposed_again(account: Connected) -> None:
    customer_id, twin = await make_customer("Initech", MAIL), await make_customer("Initech too", MAIL)
    link_id = await unknown(account, "cus_1")
    for _ in range(2):
        await keep_apart(customer_id, link_id, actor=SYSTEM)
        await keep_twins_apart(twin, customer_id, actor=SYSTEM)
    assert await matches(customer_id) == Matches((), ())
    assert [match.link_id for match in (await matches(twin)).links] == [link_id]
    assert len(await rows("SELECT FROM audit_entry WHERE action = 'customer.kept_apart'")) == 3


REFUSED = [
    ("UPDATE customer_link SET deleted = true", "deleted its customer"),
    ("UPDATE customer_link SET email = 'other@initech.example'", "not the same any more"),
    ("UPDATE customer SET erased_at = now() WHERE name = 'Initech'", "merged or erased"),
    (
        "UPDATE customer_link SET customer = (SELECT id FROM customer WHERE name = 'Other')",
        "another one here",
    ),
    (
        """
        INSERT INTO customer_link (account, mode, external_id, customer, seen_at)
        SELECT account, mode, 'cus_9', (SELECT id FROM customer WHERE name = 'Initech'), now()
        FROM customer_link
        """,
        "has another customer linked to this one",
    ),
]


@pytest.mark.parametrize(("meanwhile", "why"), REFUSED)
async def test_what_changed_meanwhile_is_refused_in_words(
    account: Connected, meanwhile: str, why: str
) -> None:
    customer_id = await make_customer("Initech", MAIL)
    await make_customer("Other", "other@x.example")
    link_id = await unknown(account, "cus_1")
    await rows(f"{meanwhile} RETURNING id")
    with pytest.raises(Conflict, match=why):
        await link_customer(customer_id, link_id, actor=SYSTEM)


async def test_of_two_people_who_link_different_ones_the_second_is_refused(account: Connected) -> None:
    customer_id = await make_customer("Initech", MAIL)
    links = [await unknown(account, f"cus_{number}") for number in (1, 2)]
    press: Callable[[int], Awaitable[None]] = lambda link: link_customer(customer_id, link, actor=SYSTEM)  # noqa: E731 - one line
    ended = await asyncio.gather(*map(press, links), return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["Conflict", "NoneType"]
    assert len(await linked_to(customer_id)) == 1
